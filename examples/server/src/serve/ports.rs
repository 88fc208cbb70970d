//! The ports of the services that the Python system consisted of, for clients that still know those.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use opsconductor_core::Error;
use tokio::net::TcpListener;

use super::{
    Shared, auth, bind, credentials, guarded, jobs, notifications, preferences, runs, status, targets, users,
};
use crate::exit::say;

/// A service of the Python system.
struct Service {
    name: &'static str,
    /// What its port is beyond the base.
    offset: u16,
    /// What it calls itself when it is asked how it is.
    says: &'static str,
    routes: fn() -> Router<Shared>,
}

const SERVICES: [Service; 8] = [
    Service { name: "auth", offset: 1, says: "auth-service", routes: auth::routes },
    Service {
        name: "users",
        offset: 2,
        says: "user-service",
        routes: || users::routes().merge(preferences::routes()),
    },
    Service { name: "credentials", offset: 4, says: "credentials-service", routes: credentials::routes },
    Service { name: "targets", offset: 5, says: "targets-service", routes: targets::routes },
    Service {
        name: "jobs",
        offset: 6,
        says: "jobs-service",
        routes: || jobs::routes().merge(runs::routes()),
    },
    Service { name: "executor", offset: 7, says: "executor-service", routes: status::executor },
    Service { name: "scheduler", offset: 8, says: "scheduler", routes: Router::new },
    Service { name: "notifications", offset: 9, says: "notification", routes: notifications::service },
];

/// The highest base: with it the last port is the highest there is.
pub(super) const BASE_MAX: i64 = 65_535 - 9;

/// Listens for every service at its port beyond `base`; at a free one each when that is 0.
pub(super) async fn listen(ip: IpAddr, base: u16, app: &Shared) -> Result<Vec<(TcpListener, Router)>, Error> {
    let mut all = Vec::with_capacity(SERVICES.len());
    for Service { name, offset, says, routes } in SERVICES {
        let port = if base == 0 { 0 } else { base + offset };
        let (address, listener) = bind(SocketAddr::new(ip, port)).await?;
        let mut routes = routes();
        if name != "executor" {
            routes = routes.merge(status::health("/health", says));
        }
        say(&format!("the service {name} is at http://{address}"));
        all.push((listener, guarded(routes, app.clone())));
    }
    Ok(all)
}
