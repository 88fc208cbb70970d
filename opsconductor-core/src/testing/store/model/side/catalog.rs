//! Calls of the catalog.

use serde_json::{Map, json};

use super::{NOBODY, Side};
use crate::{
    id::{TargetId, TenantId},
    store::{NewCredential, NewJob},
    target::TargetSpec,
    testing::store::model::{
        call::{Call, JobShape, TargetShape},
        pick::Pick,
    },
    transport::Protocol,
};

impl Side {
    /// The rows to begin with: in each tenant a credential, three targets and two jobs.
    pub(super) async fn furnish(&mut self) {
        for tenant in [Pick(1), Pick(0)] {
            self.write_down(&Call::InsertCredential { tenant, name: 0, used_id: false }).await;
            for name in 0..3 {
                // The credential opens two of them.
                let credential = (name < 2).then_some(Pick(0));
                let target = TargetShape { name, credential, depends_on: None, tags: name };
                self.write_down(&Call::InsertTarget { tenant, target }).await;
            }
            for name in 0..2 {
                let job = JobShape { name, version: 1, target: None, is_active: true };
                self.write_down(&Call::InsertJob { tenant, job }).await;
            }
        }
    }

    /// A call that writes something down.
    pub(super) async fn write_down(&mut self, call: &Call) -> String {
        let store = self.store.clone();
        match *call {
            Call::CreateTenant { name } => {
                let answer = store.create_tenant(&format!("tenant{name}")).await;
                self.tenants.extend(answer.iter().map(|tenant| tenant.id));
                self.said(answer)
            }
            Call::InsertCredential { tenant, name, used_id } => {
                let tenant = self.tenant(tenant);
                let reserved = match self.credentials.first() {
                    Some((_, (used, _))) if used_id => *used,
                    _ => store.reserve_credential_id().await.unwrap(),
                };
                let new = new_credential(reserved, name, 1, "winrm");
                let answer = store.insert_credential(tenant, new).await;
                if let Ok(record) = &answer {
                    self.credentials.push((tenant, (record.id, record.version)));
                }
                self.said(answer.map(Self::shown))
            }
            Call::UpdateCredential { credential, astray, name, seen, other_type } => {
                let (tenant, (id, version)) = self.credential(credential, astray);
                let kind = if other_type { "ssh" } else { "winrm" };
                let new = new_credential(id, name, version + 1, kind);
                let expected = if seen { version } else { version - 1 };
                let answer = store.update_credential(tenant, expected, new).await;
                if let Ok(record) = &answer {
                    for (_, row) in self.credentials.iter_mut().filter(|(_, (known, _))| *known == id) {
                        row.1 = record.version;
                    }
                }
                self.said(answer.map(Self::shown))
            }
            Call::DeleteCredential { credential, astray } => {
                let (tenant, (id, _)) = self.credential(credential, astray);
                let answer = store.delete_credential(tenant, id).await;
                self.said(answer)
            }
            Call::InsertTarget { tenant, ref target } => {
                let tenant = self.tenant(tenant);
                let answer = store.insert_target(tenant, self.spec(tenant, target)).await;
                self.targets.extend(answer.iter().map(|target| (tenant, target.id)));
                self.said(answer)
            }
            Call::UpdateTarget { id, astray, ref target } => {
                let (tenant, id) = self.target(id, astray);
                let answer = store.update_target(tenant, id, self.spec(tenant, target)).await;
                self.said(answer)
            }
            Call::DeleteTarget { target, astray } => {
                let (tenant, id) = self.target(target, astray);
                let answer = store.delete_target(tenant, id).await;
                self.said(answer)
            }
            Call::InsertJob { tenant, ref job } => {
                let tenant = self.tenant(tenant);
                let answer = store.insert_job(tenant, new_job(job)).await;
                self.jobs.extend(answer.iter().map(|job| (tenant, job.clone())));
                self.said(answer)
            }
            Call::UpdateJob { id, astray, ref job } => {
                let (tenant, id) = self.job(id, astray);
                let answer = store.update_job(tenant, id, new_job(job)).await;
                if let Ok(record) = &answer {
                    for (_, row) in self.jobs.iter_mut().filter(|(_, job)| job.id == id) {
                        *row = record.clone();
                    }
                }
                self.said(answer)
            }
            Call::DeleteJob { job, astray } => {
                let (tenant, id) = self.job(job, astray);
                let answer = store.delete_job(tenant, id).await;
                self.said(answer)
            }
            _ => unreachable!("{call:?} is not about the catalog"),
        }
    }

    fn spec(&self, tenant: TenantId, shape: &TargetShape) -> TargetSpec {
        // Mostly of the same tenant; what is of another must be refused.
        let same = |(home, _): &&(TenantId, TargetId)| *home == tenant;
        let mine: Vec<_> = self.targets.iter().filter(same).map(|(_, id)| *id).collect();
        // A tenant that is not there has nothing to refer to either, and which of two faults is named is nobody's promise.
        let is_there = tenant != TenantId::new(NOBODY);
        let depends_on = shape.depends_on.filter(|_| is_there).map(|pick| {
            let own = pick.of(&mine).copied();
            own.unwrap_or_else(|| self.target(pick, false).1)
        });
        TargetSpec {
            name: format!("name{}", shape.name),
            hostname: "192.0.2.1".to_owned(),
            protocol: Protocol::Http,
            port: 80,
            credential_ref: shape
                .credential
                .filter(|_| is_there)
                .map(|pick| self.credential(pick, false).1.0),
            tags: Self::tags(shape.tags),
            metadata: Map::from_iter([("rack".to_owned(), json!([1, "ü", null]))]),
            depends_on: depends_on.into_iter().collect(),
        }
    }
}

fn new_credential(id: crate::id::CredentialId, name: u8, version: i32, kind: &str) -> NewCredential {
    NewCredential {
        id,
        name: format!("name{name}"),
        description: name.is_multiple_of(2).then(|| "a description".to_owned()),
        credential_type: kind.to_owned(),
        version,
        sealed: vec![name, 0, 255],
    }
}

fn new_job(shape: &JobShape) -> NewJob {
    NewJob {
        name: format!("name{}", shape.name),
        version: shape.version,
        definition: json!({"steps": [{"type": "test.noop"}], "ünicode": [1, 2.5, null]}),
        targets: shape.target.iter().map(|name| format!("name{name}")).collect(),
        created_by: None,
        is_active: shape.is_active,
        expected_version: None,
    }
}
