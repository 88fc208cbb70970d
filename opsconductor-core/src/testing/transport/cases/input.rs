//! What reaches a command: standard input, environment, directory.

use crate::{
    testing::transport::{Fixture, Recorder},
    transport::ExecRequest,
};

pub async fn standard_input_arrives_and_ends(f: Fixture) {
    for dialect in f.dialects() {
        let mut request = Fixture::request(&*dialect, &[dialect.print_input()]);
        let text = format!("first line{0}zweite Zeile: é 日本 🦀{0}last", dialect.line_end());
        request.stdin = Some(text.clone().into());
        if !f.capabilities().stdin {
            expect_unsupported(&f, request, "standard input").await;
            continue;
        }
        let mut session = f.session().await;
        let said = f.say(&mut *session, request).await;
        assert_eq!(said.stdout.trim_end(), text, "{}", dialect.shell().as_str());
    }
}

pub async fn without_input_a_command_sees_its_end_at_once(f: Fixture) {
    for dialect in f.dialects() {
        let mut session = f.session().await;
        let request = Fixture::request(&*dialect, &[dialect.print_input(), dialect.exit(0)]);
        let said = f.say(&mut *session, request).await;
        assert_eq!(said.stdout.trim(), "", "{}", dialect.shell().as_str());
    }
}

pub async fn much_input_arrives_whole(f: Fixture) {
    for dialect in f.dialects() {
        let mut request = Fixture::request(&*dialect, &[dialect.print_input()]);
        let line = format!("{}é{}", "0123456789".repeat(7), dialect.line_end());
        let text = line.repeat(1024 * 1024 / line.len());
        request.stdin = Some(text.clone().into());
        if !f.capabilities().stdin {
            expect_unsupported(&f, request, "standard input").await;
            continue;
        }
        let mut session = f.session().await;
        let said = f.say(&mut *session, request).await;
        let (said, text, shell) = (said.stdout.trim_end(), text.trim_end(), dialect.shell().as_str());
        assert!(said == text, "{shell}: {} bytes went in and {} other ones came out", text.len(), said.len());
    }
}

pub async fn input_that_nobody_reads_is_no_failure(f: Fixture) {
    for dialect in f.dialects() {
        let mut request = Fixture::request(&*dialect, &[dialect.exit(4)]);
        request.stdin = Some("not read\n".repeat(50_000).into());
        if !f.capabilities().stdin {
            expect_unsupported(&f, request, "standard input").await;
            continue;
        }
        let mut session = f.session().await;
        assert_eq!(f.say(&mut *session, request).await.exit_code, 4, "{}", dialect.shell().as_str());
    }
}

pub async fn a_variable_is_that_of_one_command(f: Fixture) {
    for dialect in f.dialects() {
        let shell = dialect.shell().as_str();
        let script = dialect.print_variable("SUITE_VALUE");
        let mut request = Fixture::request(&*dialect, std::slice::from_ref(&script));
        let value = dialect.odd_text();
        request.env.insert("SUITE_VALUE".to_owned(), value.to_owned());
        if !f.capabilities().environment {
            expect_unsupported(&f, request, "an environment").await;
            continue;
        }
        let mut session = f.session().await;
        let said = f.say(&mut *session, request).await;
        assert_eq!(said.stdout.trim_end(), format!("[{value}]"), "{shell}");
        let said = f.say(&mut *session, Fixture::request(&*dialect, &[script])).await;
        assert_eq!(said.stdout.trim_end(), "[]", "{shell}: the next command has the variable too");
    }
}

pub async fn a_directory_is_that_of_one_command(f: Fixture) {
    for dialect in f.dialects() {
        let shell = dialect.shell().as_str();
        let script = dialect.print_directory();
        let mut request = Fixture::request(&*dialect, std::slice::from_ref(&script));
        let directory = dialect.other_directory();
        request.working_directory = Some(directory.clone());
        if !f.capabilities().environment {
            expect_unsupported(&f, request, "a working directory").await;
            continue;
        }
        let mut session = f.session().await;
        assert_eq!(f.say(&mut *session, request).await.stdout.trim_end(), directory, "{shell}");
        let said = f.say(&mut *session, Fixture::request(&*dialect, &[script])).await;
        assert_ne!(said.stdout.trim_end(), directory, "{shell}: the next command starts there too");
    }
}

async fn expect_unsupported(f: &Fixture, request: ExecRequest, what: &str) {
    let mut session = f.session().await;
    let (recorder, started) = (Recorder::default(), f.host.commands_started());
    let result = f.exec(&mut *session, request, &recorder).await;
    f.unsupported(result, &recorder, started, what);
}
