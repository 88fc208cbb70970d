//! Time zones by name.

use chrono_tz::{TZ_VARIANTS, Tz};

use crate::{Error, ErrorKind, Result, job::nearest::nearest};

/// The zone of the IANA database that is called `name`.
pub(super) fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| {
        let known = TZ_VARIANTS.iter().map(|zone| zone.name());
        // A city alone, or one in the wrong place, is found by its end.
        let city = name.rsplit('/').next().unwrap_or_default();
        let of_city = || {
            let ends =
                |zone: &&str| zone.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(city));
            known.clone().find(ends)
        };
        let near = of_city().or_else(|| nearest(name, known.clone()));
        let message = match near {
            Some(near) => format!("there is no such time zone; did you mean {near}?"),
            None => "there is no such time zone; zones have names as Europe/Berlin or UTC".to_owned(),
        };
        Error::new(ErrorKind::Schedule, message).with("timezone", name.chars().take(100).collect::<String>())
    })
}
