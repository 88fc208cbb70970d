#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

fn known(text: &str, name: &str, port: u16) -> Vec<(Marker, String)> {
    let known = Known::read(name, port, &[], Some(text)).unwrap();
    known.lines.into_iter().map(|line| (line.marker, line.key.to_openssh().unwrap())).collect()
}

#[test]
fn names_ports_patterns_and_markers_are_told_apart() {
    let text = format!(
        "# a comment\n\nweb.example,10.0.0.1 {A} someone\n[web.example]:2222 {B}\n*.lan,!db.lan {A}\n\
         @cert-authority *.corp {B}\n@revoked * {B}\n@other web.example {A}\nweb.example not a key\n"
    );
    let of = |name, port| known(&text, name, port);
    let revoked = (Marker::Revoked, B.to_owned());
    assert_eq!(of("web.example", 22), [(Marker::None, A.to_owned()), revoked.clone()]);
    assert_eq!(of("WEB.example", 22).len(), 2);
    assert_eq!(of("web.example", 2222), [(Marker::None, B.to_owned()), revoked.clone()]);
    assert_eq!(of("10.0.0.1", 22).len(), 2);
    assert_eq!(of("a.lan", 22)[0].0, Marker::None);
    assert_eq!(of("db.lan", 22), std::slice::from_ref(&revoked));
    assert_eq!(of("a.corp", 22)[0], (Marker::CertAuthority, B.to_owned()));
    assert_eq!(of("web.example.org", 22), [revoked]);
}

#[test]
fn a_hashed_name_is_found() {
    let line = format!("|1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= {A}");
    assert_eq!(known(&line, "example.com", 22).len(), 1);
    assert!(known(&line, "example.org", 22).is_empty());
    assert!(known(&line, "example.com", 2222).is_empty());
}

#[test]
fn a_host_is_written_once_and_the_rest_of_the_file_stays() {
    let folder = std::env::temp_dir().join(format!("opsconductor-known-{}", uuid::Uuid::now_v7()));
    let path = folder.join("deep").join("known_hosts");
    let (a, b) = (PublicKey::from_openssh(A).unwrap(), PublicKey::from_openssh(B).unwrap());
    assert!(learn(&path, "one", 22, &a).unwrap().lines.is_empty());
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap().trim_end()).unwrap();
    assert!(learn(&path, "two", 2222, &b).unwrap().lines.is_empty());
    assert_eq!(learn(&path, "one", 22, &b).unwrap().lines[0].key, a);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("one {A}\n[two]:2222 {B}\n"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_pattern_that_goes_on_and_on_ends() {
    let pattern = "*a".repeat(200);
    assert!(!glob(pattern.as_bytes(), "a".repeat(199).as_bytes()));
    assert!(glob(b"w?b-*", b"web-12"));
}
