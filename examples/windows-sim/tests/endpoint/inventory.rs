//! Looking at shells: Get, Enumerate, Pull and Release.

use crate::client::{Client, OTHER_USER, SHELL, USER, builder};

const OPTIMIZED: &str = "<w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>";

#[tokio::test]
async fn a_shell_describes_itself_to_its_owner_alone() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let answer = client.create("<rsp:IdleTimeOut>PT60S</rsp:IdleTimeOut>").await.unwrap();
    let shell = answer.element("ShellId");
    client.start(&shell, "more").await;
    let answer = client.get(&shell).await.unwrap();
    assert_eq!(answer.element("ShellId"), shell);
    assert_eq!(answer.element("Owner"), format!("WEB-1\\{USER}"));
    assert_eq!(answer.element("IdleTimeOut"), "PT60.000S");
    assert_eq!(answer.element("MaxIdleTimeOut"), "PT7200.000S");
    assert_eq!((answer.element("State"), answer.element("ChildProcesses")), ("Connected".into(), "1".into()));
    assert_eq!(Client::connect_as(&host, OTHER_USER).await.get(&shell).await.unwrap().fault(), 5);
}

#[tokio::test]
async fn an_administrator_lists_every_shell_and_another_user_his_own() {
    let host = builder().start().await.unwrap();
    host.machine().add_standard_user(OTHER_USER);
    let mut client = Client::connect(&host).await;
    let mut other = Client::connect_as(&host, OTHER_USER).await;
    let mut shells = [client.open().await, other.open().await];
    let own = shells[1].clone();
    shells.sort();
    let answer = client.enumerate(SHELL, OPTIMIZED).await.unwrap();
    assert_eq!(answer.elements("ShellId"), shells);
    assert_eq!(answer.elements("EndOfSequence").len(), 1);
    assert_eq!(other.enumerate(SHELL, OPTIMIZED).await.unwrap().elements("ShellId"), [own]);
}

#[tokio::test]
async fn a_long_list_comes_in_pages_and_forgets_nothing_when_a_shell_closes_in_between() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let mut shells = Vec::new();
    for _ in 0..5 {
        shells.push(client.open().await);
    }
    shells.sort();
    let answer = client.enumerate(SHELL, "").await.unwrap();
    assert!(answer.elements("ShellId").is_empty());
    let answer = client.pull(SHELL, &answer.element("EnumerationContext"), 2).await.unwrap();
    assert_eq!(answer.elements("ShellId"), shells[..2]);
    assert!(answer.elements("EndOfSequence").is_empty());
    // The place in the list is not lost with the shell it was at.
    assert_eq!(client.delete(&shells[1]).await.unwrap().status, 200);
    let answer = client.pull(SHELL, &answer.element("EnumerationContext"), 9).await.unwrap();
    assert_eq!(answer.elements("ShellId"), shells[2..]);
    assert_eq!(answer.elements("EndOfSequence").len(), 1);
    assert_eq!(client.release(SHELL, "uuid:/").await.unwrap().status, 200);
}

#[tokio::test]
async fn the_commands_of_a_shell_are_listed_until_they_are_ended() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    let shell = client.open().await;
    let command = client.start(&shell, "more").await;
    let resource = format!("{SHELL}/Command");
    let filter = format!(
        "{OPTIMIZED}<w:Filter><w:SelectorSet><w:Selector Name=\"ShellId\">{shell}</w:Selector></w:SelectorSet></w:Filter>"
    );
    let answer = client.enumerate(&resource, &filter).await.unwrap();
    assert_eq!(answer.elements("CommandId"), [command.as_str()]);
    client.signal(&shell, &command, "terminate").await.unwrap();
    assert!(client.enumerate(&resource, &filter).await.unwrap().elements("CommandId").is_empty());
    assert_eq!(client.enumerate(&resource, OPTIMIZED).await.unwrap().fault(), 2_150_858_842);
}

#[tokio::test]
async fn what_is_no_list_is_refused() {
    let host = builder().start().await.unwrap();
    let mut client = Client::connect(&host).await;
    assert_eq!(client.enumerate(&format!("{SHELL}/cmd"), OPTIMIZED).await.unwrap().fault(), 2_150_858_811);
    assert_eq!(client.pull(SHELL, "nonsense", 1).await.unwrap().fault(), 2_150_858_779);
    assert_eq!(client.pull(SHELL, "uuid:/", 0).await.unwrap().fault(), 2_150_858_817);
}
