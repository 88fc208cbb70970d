//! `opsconductor user`: people with accounts in a store.

mod password;

use clap::{Args, Subcommand};
use opsconductor_core::{
    Error, ErrorKind,
    engine::{NewAccount, Scoped, UserInfo},
    id::UserId,
    store::Page,
    tenant::Role,
};
use serde_json::json;

use crate::{
    exit::{Ended, answer, say},
    job::engine,
    runtime,
    show::columns,
    store::StoreOptions,
};

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make an account. The password is asked for, or read as a line from standard input.
    Add(AddOptions),
    /// List the accounts, newest first.
    List(ListOptions),
    /// Give an account another role. Its tokens end.
    Role(RoleOptions),
    /// Give an account another password, asked for or read as a line from standard input. Its tokens end.
    Password(NamedOptions),
    /// Put an account out of use. Its tokens end.
    Disable(NamedOptions),
    /// Let an account be used again.
    Enable(NamedOptions),
    /// Remove an account. What it made stays.
    Delete(NamedOptions),
}

/// What `user add` can be told.
#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    /// The name to log in with.
    name: String,
    /// The address.
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// What it may do: viewer, operator or admin.
    #[arg(long, default_value = "viewer")]
    role: Role,
    #[command(flatten)]
    common: Common,
}

/// What `user list` can be told.
#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// How many of the newest to leave out.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(flatten)]
    common: Common,
}

/// What `user role` can be told.
#[derive(Debug, Args)]
pub(crate) struct RoleOptions {
    /// The account.
    name: String,
    /// What it may do from now on: viewer, operator or admin.
    role: Role,
    #[command(flatten)]
    common: Common,
}

/// What a command on one account can be told.
#[derive(Debug, Args)]
pub(crate) struct NamedOptions {
    /// The account.
    name: String,
    #[command(flatten)]
    common: Common,
}

/// What each of them can be told.
#[derive(Debug, Args)]
struct Common {
    #[command(flatten)]
    store: StoreOptions,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Does what was asked.
pub(crate) fn obey(command: UserCommand) -> Result<Ended, Error> {
    match command {
        UserCommand::Add(AddOptions { name, email, role, common }) => {
            let password = password::ask()?;
            let added = on(&common, async |ops| {
                ops.users().create(NewAccount { name, email, role }, &password).await
            })?;
            tell(&common, &added, "is added")
        }
        UserCommand::List(options) => list(&options),
        UserCommand::Role(RoleOptions { name, role, common }) => {
            let changed = on(&common, async |ops| ops.users().set_role(id(&ops, &name).await?, role).await)?;
            tell(&common, &changed, &format!("is {role} now"))
        }
        UserCommand::Password(NamedOptions { name, common }) => {
            let password = password::ask()?;
            let changed =
                on(&common, async |ops| ops.users().set_password(id(&ops, &name).await?, &password).await)?;
            tell(&common, &changed, "has another password now")
        }
        UserCommand::Disable(NamedOptions { name, common }) => {
            let changed = on(&common, async |ops| ops.users().deactivate(id(&ops, &name).await?).await)?;
            tell(&common, &changed, "is out of use")
        }
        UserCommand::Enable(NamedOptions { name, common }) => {
            let changed = on(&common, async |ops| ops.users().activate(id(&ops, &name).await?).await)?;
            tell(&common, &changed, "is in use")
        }
        UserCommand::Delete(NamedOptions { name, common }) => {
            let deleted = on(&common, async |ops| {
                let user = ops.users().by_name(&name).await?;
                ops.users().delete(user.id).await.map(|()| user)
            })?;
            tell(&common, &deleted, "is removed")
        }
    }
}

/// Does `work` as the local administrator of the store's default tenant.
fn on<T>(common: &Common, work: impl AsyncFnOnce(Scoped) -> Result<T, Error>) -> Result<T, Error> {
    runtime::run(async { work(engine(&common.store).await?.local()).await })
}

async fn id(ops: &Scoped, name: &str) -> Result<UserId, Error> {
    Ok(ops.users().by_name(name).await?.id)
}

fn tell(common: &Common, user: &UserInfo, what: &str) -> Result<Ended, Error> {
    match common.json {
        true => answer(&json(user)?)?,
        false => say(&format!("{} {what}", user.name)),
    }
    Ok(Ended::Well)
}

fn list(options: &ListOptions) -> Result<Ended, Error> {
    let page = Page { skip: options.skip, limit: options.limit };
    let list = on(&options.common, async |ops| ops.users().list(page).await)?;
    if options.common.json {
        answer(&json(&json!({"users": list.items, "total": list.total}))?)?;
        return Ok(Ended::Well);
    }
    let mut rows = vec![["ID", "NAME", "ADDRESS", "ROLE", "STATE", "SINCE"].map(str::to_owned)];
    for user in &list.items {
        rows.push([
            user.id.to_string(),
            user.name.clone(),
            user.email.clone(),
            user.role.to_string(),
            if user.is_active { "active" } else { "disabled" }.to_owned(),
            user.created_at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
        ]);
    }
    answer(&columns(&rows))?;
    let shown = list.items.len() as u64;
    if shown < list.total {
        say(&format!("{shown} of {}; --skip and --limit show others", list.total));
    }
    Ok(Ended::Well)
}

fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|source| Error::new(ErrorKind::Internal, "a result has no JSON form").with_source(source))
}
