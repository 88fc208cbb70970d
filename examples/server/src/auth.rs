//! `opsconductor auth`: who may do what.

use clap::Subcommand;
use opsconductor_core::{Error, auth::policy::POLICY, tenant::Role};
use serde_json::json;

use crate::{
    exit::{Ended, answer},
    show::columns,
};

#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Print the table of resources and actions, and which role may do what.
    Matrix {
        /// Print it as one JSON object on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// Does what was asked.
pub(crate) fn obey(command: &AuthCommand) -> Result<Ended, Error> {
    let AuthCommand::Matrix { json } = command;
    answer(&if *json { as_json() } else { as_table() })?;
    Ok(Ended::Well)
}

const ROLES: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

fn as_json() -> String {
    let rows: Vec<_> = POLICY
        .iter()
        .map(|(resource, action, least)| {
            let roles: Vec<_> =
                ROLES.iter().filter(|role| *role >= least).map(|role| role.as_str()).collect();
            json!({"resource": resource.as_str(), "action": action.as_str(), "roles": roles})
        })
        .collect();
    json!({"policy": rows}).to_string()
}

fn as_table() -> String {
    let mut rows = vec![["RESOURCE", "ACTION", "VIEWER", "OPERATOR", "ADMIN"].map(str::to_owned)];
    for (resource, action, least) in POLICY {
        let [viewer, operator, admin] = ROLES.map(|role| if role >= *least { "yes" } else { "-" }.to_owned());
        rows.push([resource.as_str().to_owned(), action.as_str().to_owned(), viewer, operator, admin]);
    }
    columns(&rows)
}
