//! The output of a run, read piece by piece and searched.

use opsconductor_core::{
    ErrorKind,
    engine::{LogQuery, Run},
    run::RunStatus,
    transport::Stream,
};
use opsconductor_tests::fleet::Fleet;
use serde_json::json;

use super::{LIMIT, quick};

on_each_store!(
    the_whole_output_comes_in_order_and_in_parts,
    a_line_is_found_wherever_it_was_cut,
    what_is_not_there_is_said,
);

/// A run of three steps on `web-1` and `web-2`, which has ended.
async fn run(fleet: &Fleet) -> Run {
    let worker = fleet.engine.worker(quick()).unwrap();
    let web = json!({"tags": ["role:web"]});
    let step = |id: &str, command: &str| json!({"type": "winrm.exec", "shell": "powershell", "id": id, "targets": web, "command": command});
    let steps = [
        step("first", "print one {{ target.name }};two"),
        step("second", "falter 0"),
        step("third", "write {{ target.name }}-par|t one\ntwo|"),
    ];
    let definition = json!({"name": "log", "version": 1, "steps": steps});
    let run = fleet.run(&definition.to_string(), json!({})).await.unwrap();
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    worker.shutdown().await;
    run
}

/// The texts of the pieces, joined.
async fn text(run: &Run, query: LogQuery) -> String {
    let mut log = run.log(query).await.unwrap();
    let mut whole = String::new();
    while let Some(piece) = log.next().await.unwrap() {
        whole += &piece.text;
    }
    whole
}

async fn the_whole_output_comes_in_order_and_in_parts(fleet: Fleet) {
    let run = run(&fleet).await;
    // Another run, whose output is not this one's.
    self::run_again(&fleet).await;
    let whole = "one web-1\ntwo\none web-2\ntwo\nweb-1-part one\ntwoweb-2-part one\ntwo";
    assert_eq!(text(&run, LogQuery::default()).await, whole);
    let of = |step: Option<&str>, target: Option<&str>| LogQuery {
        step: step.map(str::to_owned),
        target: target.map(str::to_owned),
        ..LogQuery::default()
    };
    assert_eq!(text(&run, of(Some("third"), None)).await, "web-1-part one\ntwoweb-2-part one\ntwo");
    assert_eq!(text(&run, of(None, Some("web-2"))).await, "one web-2\ntwo\nweb-2-part one\ntwo");
    assert_eq!(text(&run, of(Some("first"), Some("web-1"))).await, "one web-1\ntwo\n");
    assert_eq!(text(&run, of(Some("second"), None)).await, "");
    assert_eq!(text(&run, LogQuery { stream: Some(Stream::Stderr), ..LogQuery::default() }).await, "");

    // From any place on.
    let mut log = run.log(LogQuery::default()).await.unwrap();
    let mut read = String::new();
    while let Some(piece) = log.next().await.unwrap() {
        read += &piece.text;
        let rest = text(&run, LogQuery { after: Some(piece.place), ..LogQuery::default() }).await;
        assert_eq!(format!("{read}{rest}"), whole);
        let mut second = of(None, Some("web-2"));
        second.after = Some(piece.place);
        assert!("one web-2\ntwo\nweb-2-part one\ntwo".ends_with(&text(&run, second).await));
    }
}

async fn run_again(fleet: &Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet.ops.jobs().run("log", Default::default(), Default::default()).await.unwrap();
    run.wait(LIMIT).await.unwrap();
    worker.shutdown().await;
}

async fn a_line_is_found_wherever_it_was_cut(fleet: Fleet) {
    let run = run(&fleet).await;
    let search = async |text: &str, limit: usize| {
        let found = run.search(text, LogQuery::default(), limit).await.unwrap();
        found.into_iter().map(|found| (found.step, found.target.unwrap(), found.line)).collect::<Vec<_>>()
    };
    let found = |step: &str, target: &str, line: &str| (step.to_owned(), target.to_owned(), line.to_owned());
    assert_eq!(
        search("part one", 10).await,
        [found("third", "web-1", "web-1-part one"), found("third", "web-2", "web-2-part one")]
    );
    assert_eq!(
        search("two", 3).await,
        [found("first", "web-1", "two"), found("first", "web-2", "two"), found("third", "web-1", "two")]
    );
    assert_eq!(search("one\ntwo", 3).await, [], "lines are searched one by one");
    assert_eq!(search("three", 3).await, []);
}

async fn what_is_not_there_is_said(fleet: Fleet) {
    let run = run(&fleet).await;
    for query in [
        LogQuery { step: Some("fourth".to_owned()), ..LogQuery::default() },
        LogQuery { target: Some("db-1".to_owned()), ..LogQuery::default() },
    ] {
        assert_eq!(run.log(query).await.err().unwrap().kind(), ErrorKind::NotFound);
    }
    let error = run.search("", LogQuery::default(), 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}
