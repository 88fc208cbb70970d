//! People with accounts, through the engine, on each store: who gets in, what their tokens are good for, and what others are told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod api_tokens;
mod login;
mod mail;
mod notifications;
mod record;
mod scene;
mod tokens;
mod users;

/// Each case, on each store.
#[macro_export]
macro_rules! on_each_store {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::scene::Scene::memory()).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::scene::Scene::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::scene::Scene::postgres().await).await;
            })+
        }
    };
}
