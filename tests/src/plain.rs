//! What connectors of these tests have in common: their hosts are reached as Windows hosts are, and can do no more than they
//! must.

/// Implements [`Connector`](opsconductor_core::transport::Connector) for a type with a method `session` that does what its
/// `connect` should.
macro_rules! plain_connector {
    ($hosts:ty, $name:literal) => {
        #[::async_trait::async_trait]
        impl ::opsconductor_core::transport::Connector for $hosts {
            fn protocol(&self) -> ::opsconductor_core::transport::Protocol {
                ::opsconductor_core::transport::Protocol::Winrm
            }

            fn capabilities(&self) -> ::opsconductor_core::transport::Capabilities {
                ::opsconductor_core::transport::Capabilities::default()
            }

            async fn connect(
                &self,
                endpoint: &::opsconductor_core::transport::Endpoint,
                credential: &::opsconductor_core::vault::credential::Credential,
            ) -> ::opsconductor_core::Result<Box<dyn ::opsconductor_core::transport::Session>> {
                self.session(endpoint, credential).await
            }

            async fn probe(
                &self,
                _: &::opsconductor_core::transport::Endpoint,
                _: &::opsconductor_core::vault::credential::Credential,
            ) -> ::opsconductor_core::transport::ProbeReport {
                let details = ::opsconductor_core::transport::ProbeDetails::default();
                ::opsconductor_core::transport::ProbeReport::reached($name, details)
            }
        }
    };
}

pub(crate) use plain_connector;
