//! Why a datagram was dropped: nobody is told but who reads the metrics, since UDP has no way to say it.

/// Makes the enum of reasons, their names and what is said of each from one table.
macro_rules! reasons {
    ($($id:ident $name:literal $says:literal;)+) => {
        /// Why a datagram was dropped.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Dropped {
            $(#[doc = $says] $id),+
        }

        impl Dropped {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$id),+];

            /// The word in the metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $name),+ }
            }

            /// What it means.
            pub const fn says(self) -> &'static str {
                match self { $(Self::$id => $says),+ }
            }
        }
    };
}

reasons! {
    Sessions "sessions" "there are as many sessions as `limits.connections` of the listener, or of all, allows";
    Client "client" "its client has as many sessions as `limits.connections_per_client` allows, or began them sooner than `limits.connection_rate` does";
    NoEndpoint "no_endpoint" "no endpoint could be had for it; the access log says why";
    EndpointFull "endpoint_full" "the kernel had no room for it on its way to the endpoint";
    ClientFull "client_full" "the kernel had no room for it on its way to the client";
    Unsendable "unsendable" "the kernel refused to send it: too long for the path, or no way there";
    Handover "handover" "another thread or worker has the session, and too many datagrams wait for that one, or the session had just ended";
}
