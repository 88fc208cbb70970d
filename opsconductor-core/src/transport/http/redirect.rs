//! Where an answer leads, and what goes there.

use hyper::{Method, StatusCode, Uri};

use super::site::{Site, default_port};

/// Another place, as an answer names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) https: bool,
    pub(super) name: String,
    pub(super) port: u16,
    /// Path and query.
    pub(super) path: String,
}

/// Whether a status asks for a request elsewhere, given a `Location`.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The method of the request that follows, and whether the body goes along.
pub(super) fn method(status: StatusCode, method: &Method) -> (Method, bool) {
    match status.as_u16() {
        303 if method != Method::HEAD => (Method::GET, false),
        // What browsers have always done, and RFC 9110 allows.
        301 | 302 if method == Method::POST => (Method::GET, false),
        _ => (method.clone(), true),
    }
}

/// Where `location` leads from `path` at `site`. The error is the end of a sentence.
pub(super) fn resolve(site: &Site, path: &str, location: &str) -> Result<Place, &'static str> {
    let location = location.split('#').next().unwrap_or_default();
    if location.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\') {
        return Err("whose Location is not a URL");
    }
    let here =
        |path: String| Place { https: site.is_https(), name: site.name.clone(), port: site.port, path };
    let scheme = location.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    });
    if let Some(scheme) = scheme {
        return match scheme.to_ascii_lowercase().as_str() {
            "https" => absolute(true, location),
            "http" => absolute(false, location),
            _ => Err("whose Location is neither http nor https"),
        };
    }
    if location.starts_with("//") {
        let scheme = if site.is_https() { "https" } else { "http" };
        return absolute(site.is_https(), &format!("{scheme}:{location}"));
    }
    let base = path.split('?').next().unwrap_or_default();
    Ok(here(match location.chars().next() {
        None => path.to_owned(),
        Some('?') => format!("{base}{location}"),
        Some('/') => without_dots(location),
        Some(_) => {
            let folder = &base[..base.rfind('/').map_or(0, |at| at + 1)];
            without_dots(&format!("{folder}{location}"))
        }
    }))
}

fn absolute(https: bool, location: &str) -> Result<Place, &'static str> {
    let uri: Uri = location.parse().map_err(|_| "whose Location is not a URL")?;
    let authority = uri.authority().ok_or("whose Location names no host")?;
    if authority.as_str().contains('@') {
        return Err("whose Location holds a user name");
    }
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() {
        return Err("whose Location names no host");
    }
    // A port that does not fit is none to hyper, and the default is not what was written.
    let port = match authority.as_str().rsplit_once(':') {
        Some((before, digits)) if !digits.contains(']') && !digits.is_empty() && !before.is_empty() => {
            digits.parse().map_err(|_| "whose Location has no valid port")?
        }
        _ => default_port(https),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { without_dots(path) } else { format!("/{path}") };
    Ok(Place { https, name: name.to_owned(), port, path })
}

/// Follows `.` and `..` in the path (RFC 3986, 5.2.4); the query stays as it is.
fn without_dots(path: &str) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    let mut out = format!("/{}", kept.join("/"));
    if let Some(query) = query {
        out.push('?');
        out.push_str(query);
    }
    out
}

#[cfg(test)]
mod tests {
    use hyper::{Method, StatusCode};

    use super::{Place, method, resolve};
    use crate::transport::http::{guard::NamedBy, site::Site};

    fn from(location: &str) -> Result<Place, &'static str> {
        let site = Site {
            name: "api.example".into(),
            port: 8080,
            trust: None,
            named_by: NamedBy::Target,
            exposes_credential: false,
        };
        resolve(&site, "/v1/jobs/7?full=1", location)
    }

    #[test]
    fn a_location_is_read_from_where_the_answer_came() {
        let here = |path: &str| {
            Ok(Place { https: false, name: "api.example".into(), port: 8080, path: path.into() })
        };
        assert_eq!(from("/x?y#z"), here("/x?y"));
        assert_eq!(from("8"), here("/v1/jobs/8"));
        assert_eq!(from("../a/./b/"), here("/v1/a/b/"));
        assert_eq!(from("../../../../etc/.."), here("/"));
        assert_eq!(from("?page=2"), here("/v1/jobs/7?page=2"));
        assert_eq!(from(""), here("/v1/jobs/7?full=1"));
    }

    #[test]
    fn a_location_may_name_another_host() {
        let there = |https, name: &str, port, path: &str| {
            Ok(Place { https, name: name.into(), port, path: path.into() })
        };
        assert_eq!(from("https://b.example"), there(true, "b.example", 443, "/"));
        assert_eq!(from("HTTP://b.example:81/x"), there(false, "b.example", 81, "/x"));
        assert_eq!(from("//b.example/x?y"), there(false, "b.example", 80, "/x?y"));
        assert_eq!(from("http://[::1]:8/"), there(false, "::1", 8, "/"));
        assert_eq!(from("http://[::1]/"), there(false, "::1", 80, "/"));
    }

    #[test]
    fn what_is_no_place_for_a_request_is_refused() {
        for location in [
            "file:///etc/passwd",
            "ftp://b.example/",
            "javascript:alert(1)",
            "http://user:pass@b.example/",
            "http://api.example@evil.example/",
            "http:///x",
            "http://b.example:99999/",
            "/a b",
            "\\\\evil.example\\x",
            "http://b.example\\@c.example/",
            "/\u{e9}",
        ] {
            assert!(from(location).is_err(), "{location}: {:?}", from(location));
        }
    }

    #[test]
    fn the_method_follows_what_the_status_says() {
        let next =
            |status: u16, sent: Method| StatusCode::from_u16(status).map(|status| method(status, &sent)).ok();
        assert_eq!(next(302, Method::POST), Some((Method::GET, false)));
        assert_eq!(next(303, Method::PUT), Some((Method::GET, false)));
        assert_eq!(next(303, Method::HEAD), Some((Method::HEAD, true)));
        assert_eq!(next(301, Method::PUT), Some((Method::PUT, true)));
        assert_eq!(next(307, Method::POST), Some((Method::POST, true)));
        assert_eq!(next(308, Method::POST), Some((Method::POST, true)));
    }
}
