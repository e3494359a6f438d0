//! Which service may call which method: a closed table, deny by default (SSQ-5).

/// A service that may have business here, by the name in its client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Speaks for people; it has decided by policy what they may ask.
    Gateway,
    /// Makes packages for auditors.
    Disclosure,
    /// Proves batches and commits them to Ethereum.
    Prover,
}

impl Peer {
    /// All peers.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 3] = [Self::Gateway, Self::Disclosure, Self::Prover];

    /// The peer with this certificate name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "gateway" => Some(Self::Gateway),
            "disclosure" => Some(Self::Disclosure),
            "prover" => Some(Self::Prover),
            _ => None,
        }
    }

    /// Its certificate name, which is also the name of its audit ledger.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Disclosure => "disclosure",
            Self::Prover => "prover",
        }
    }
}

macro_rules! methods {
    ($($method:ident),* $(,)?) => {
        /// A method of the interface.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Method { $(
            #[doc = concat!("`", stringify!($method), "`.")]
            $method,
        )* }

        impl Method {
            /// All methods.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$method),*];

            /// Its name in the interface.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$method => stringify!($method),)* }
            }
        }
    };
}

methods!(
    GetInfo,
    SubmitTransaction,
    Call,
    EstimateGas,
    GetAccount,
    GetStorage,
    GetTransaction,
    GetBlock,
    GetLogs,
    GetBatch,
    GetStateProof,
    GetTransactionProof,
    StreamBlocks,
    StreamBatches,
    GetBatchInput,
    AnchorAuditHead,
    SealBatch,
    ReportProvingLoad,
    GetStatus,
);

impl Method {
    /// Whether `peer` may call this method. Every method is named, so that a new one does not
    /// compile until someone decides.
    pub(crate) const fn allows(self, peer: Peer) -> bool {
        match (self, peer) {
            (
                Self::GetInfo
                | Self::SubmitTransaction
                | Self::Call
                | Self::EstimateGas
                | Self::GetAccount
                | Self::GetStorage
                | Self::GetTransaction
                | Self::GetBlock
                | Self::GetLogs
                | Self::GetBatch
                | Self::GetStateProof
                | Self::GetTransactionProof
                | Self::StreamBlocks
                | Self::StreamBatches
                | Self::AnchorAuditHead
                | Self::SealBatch
                | Self::GetStatus,
                Peer::Gateway,
            )
            | (
                Self::GetInfo
                | Self::GetTransaction
                | Self::GetBatch
                | Self::GetStateProof
                | Self::GetTransactionProof
                | Self::StreamBatches
                | Self::AnchorAuditHead,
                Peer::Disclosure,
            )
            | (
                Self::GetInfo
                | Self::GetBatch
                | Self::StreamBatches
                | Self::GetBatchInput
                | Self::ReportProvingLoad
                | Self::GetStatus,
                Peer::Prover,
            ) => true,
            // What a batch was made of is for its prover alone, and only who proves knows how far
            // proving is behind.
            (Self::GetBatchInput | Self::ReportProvingLoad, Peer::Gateway | Peer::Disclosure)
            | (Self::GetStatus, Peer::Disclosure)
            | (
                Self::SubmitTransaction
                | Self::Call
                | Self::EstimateGas
                | Self::GetAccount
                | Self::GetStorage
                | Self::GetBlock
                | Self::GetLogs
                | Self::StreamBlocks
                | Self::SealBatch,
                Peer::Disclosure | Peer::Prover,
            )
            | (
                Self::GetTransaction
                | Self::GetStateProof
                | Self::GetTransactionProof
                | Self::AnchorAuditHead,
                Peer::Prover,
            ) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Defends SSQ-5.
    #[test]
    fn the_grid_of_peers_and_methods_is_as_decided() {
        let grid: Vec<String> = Method::ALL
            .iter()
            .map(|method| {
                let marks: String = Peer::ALL
                    .iter()
                    .map(|peer| if method.allows(*peer) { 'x' } else { '-' })
                    .collect();
                format!("{marks} {}", method.name())
            })
            .collect();
        // gateway, disclosure, prover
        assert_eq!(
            grid,
            [
                "xxx GetInfo",
                "x-- SubmitTransaction",
                "x-- Call",
                "x-- EstimateGas",
                "x-- GetAccount",
                "x-- GetStorage",
                "xx- GetTransaction",
                "x-- GetBlock",
                "x-- GetLogs",
                "xxx GetBatch",
                "xx- GetStateProof",
                "xx- GetTransactionProof",
                "x-- StreamBlocks",
                "xxx StreamBatches",
                "--x GetBatchInput",
                "xx- AnchorAuditHead",
                "x-- SealBatch",
                "--x ReportProvingLoad",
                "x-x GetStatus",
            ]
        );
    }

    #[test]
    fn only_exact_names_are_peers() {
        for peer in Peer::ALL {
            assert_eq!(Peer::named(peer.name()), Some(peer));
        }
        for name in ["", "Gateway", "gateway.example", "sequencer", "gateways"] {
            assert_eq!(Peer::named(name), None);
        }
    }
}
