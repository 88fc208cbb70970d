//! Output is appended and read.

use bytes::Bytes;

use super::kind;
use crate::{
    ErrorKind,
    id::{TaskId, WorkerId},
    run::EventKind,
    store::{CHUNK_BYTES_MAX, Lease, OutputPiece, OutputQuery},
    testing::store::Fixture,
    transport::Stream,
};

pub async fn pieces_are_kept_in_order_with_their_events(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    let error = OutputPiece { stream: Stream::Stderr, ..Fixture::piece(lease, 2, "wärning\r\n") };
    let pieces = vec![Fixture::piece(lease, 1, "a\0b"), error, Fixture::piece(lease, 3, "")];
    assert_eq!(f.store.append_output(pieces).await.unwrap(), [true, true, true]);
    let chunks = f.store.output(f.tenant, run.id, OutputQuery::default(), 10).await.unwrap();
    let read: Vec<_> = chunks.iter().map(|chunk| (chunk.seq, chunk.stream, chunk.text.as_str())).collect();
    let expected = [(1, Stream::Stdout, "a\0b"), (2, Stream::Stderr, "wärning\r\n"), (3, Stream::Stdout, "")];
    assert_eq!(read, expected);
    assert!(chunks.iter().all(|chunk| chunk.task == lease.task && chunk.attempt == 1 && chunk.step == 0));
    let told: Vec<_> = f.events(run.id).await.into_iter().skip(3).map(|event| event.kind).collect();
    let event =
        |(_, stream, text): (u32, Stream, &str)| EventKind::StepOutput { stream, text: text.to_owned() };
    assert_eq!(told, expected.map(event));
}

pub async fn a_repeated_piece_is_not_written_again(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    let first = Fixture::piece(lease, 1, "one");
    assert_eq!(f.store.append_output(vec![first.clone()]).await.unwrap(), [true]);
    let again = vec![first, Fixture::piece(lease, 2, "two")];
    assert_eq!(f.store.append_output(again).await.unwrap(), [true, true]);
    let chunks = f.store.output(f.tenant, run.id, OutputQuery::default(), 10).await.unwrap();
    assert_eq!(chunks.iter().map(|chunk| chunk.text.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(f.events(run.id).await.len(), 5, "and neither is its event");
}

pub async fn a_stale_lease_appends_nothing(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    let before = f.events(run.id).await;
    for wrong in [Lease { epoch: lease.epoch - 1, ..lease }, Lease { worker: WorkerId::generate(), ..lease }]
    {
        let answers = f.store.append_output(vec![Fixture::piece(wrong, 1, "x")]).await.unwrap();
        assert_eq!(answers, [false]);
    }
    let mixed = vec![
        Fixture::piece(Lease { epoch: 0, ..lease }, 1, "stale"),
        Fixture::piece(lease, 1, "current"),
        Fixture::piece(Lease { epoch: 9, ..lease }, 2, "stale"),
    ];
    assert_eq!(f.store.append_output(mixed).await.unwrap(), [false, true, false]);
    assert_eq!(f.events(run.id).await.len(), before.len() + 1);
    f.clock.advance(Fixture::TTL);
    f.store.take_expired(WorkerId::generate(), 1, Fixture::TTL).await.unwrap();
    let late = f.store.append_output(vec![Fixture::piece(lease, 2, "late")]).await.unwrap();
    assert_eq!(late, [false], "its place was taken");
}

pub async fn what_is_too_long_or_no_text_is_refused_whole(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    let good = Fixture::piece(lease, 1, &"x".repeat(CHUNK_BYTES_MAX));
    let long = Fixture::piece(lease, 2, &"x".repeat(CHUNK_BYTES_MAX + 1));
    let refused = f.store.append_output(vec![good.clone(), long]).await;
    assert_eq!(kind(refused), ErrorKind::InvalidInput);
    let raw = OutputPiece { text: Bytes::from_static(&[0xff, 0xfe]), ..good.clone() };
    assert_eq!(kind(f.store.append_output(vec![good.clone(), raw]).await), ErrorKind::InvalidInput);
    assert!(f.store.output(f.tenant, run.id, OutputQuery::default(), 10).await.unwrap().is_empty());
    assert_eq!(f.store.append_output(vec![good]).await.unwrap(), [true], "the longest that may be");
}

pub async fn each_attempt_counts_for_itself(f: Fixture) {
    let run = f.single().await;
    let first = f.claim_one().await.lease;
    f.store.append_output(vec![Fixture::piece(first, 1, "first")]).await.unwrap();
    f.store.requeue(vec![Fixture::requeue(first, Default::default())]).await.unwrap();
    let second = f.claim_one().await.lease;
    f.store.append_output(vec![Fixture::piece(second, 1, "second")]).await.unwrap();
    let chunks = f.store.output(f.tenant, run.id, OutputQuery::default(), 10).await.unwrap();
    let read: Vec<_> = chunks.iter().map(|chunk| (chunk.attempt, chunk.seq, chunk.text.as_str())).collect();
    assert_eq!(read, [(1, 1, "first"), (2, 1, "second")]);
}

pub async fn a_query_narrows_and_goes_on(f: Fixture) {
    let run = f.wide(2).await;
    let claimed = f.claim(2).await;
    let (a, b) = (claimed[0].lease, claimed[1].lease);
    let pieces = vec![
        Fixture::piece(b, 1, "b1"),
        Fixture::piece(a, 1, "a1"),
        OutputPiece { stream: Stream::Stderr, ..Fixture::piece(a, 2, "a2") },
        Fixture::piece(b, 2, "b2"),
    ];
    f.store.append_output(pieces).await.unwrap();
    let texts = async |query: OutputQuery, limit| {
        let chunks = f.store.output(f.tenant, run.id, query, limit).await.unwrap();
        chunks.into_iter().map(|chunk| chunk.text).collect::<Vec<_>>()
    };
    let all = OutputQuery::default();
    assert_eq!(texts(all.clone(), 10).await, ["a1", "a2", "b1", "b2"], "by task, attempt and number");
    assert_eq!(texts(all.clone(), 3).await, ["a1", "a2", "b1"]);
    let after = |task: TaskId, seq| OutputQuery { after: Some((task, 1, seq)), ..all.clone() };
    assert_eq!(texts(after(a.task, 2), 10).await, ["b1", "b2"]);
    assert_eq!(texts(after(a.task, 1), 1).await, ["a2"]);
    assert_eq!(texts(after(b.task, 2), 10).await, Vec::<String>::new());
    assert_eq!(texts(OutputQuery { task: Some(b.task), ..all.clone() }, 10).await, ["b1", "b2"]);
    let errors = OutputQuery { stream: Some(Stream::Stderr), ..all.clone() };
    assert_eq!(texts(errors, 10).await, ["a2"]);
    let other = f.single().await;
    let strange = f.tasks(other.id).await[0].id;
    assert!(texts(OutputQuery { task: Some(strange), ..all }, 10).await.is_empty());
}
