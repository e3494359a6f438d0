//! The closed table of JSON-RPC methods and what each one may reveal.
//!
//! A method is a variant of [`Method`]; every `match` over it names every variant, so that a new
//! method does not compile until someone has decided its [`Exposure`] (S: SGW-1).

/// What a method may reveal, decided once for each method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exposure {
    /// Constants of the installation; answered without a token.
    Public,
    /// The same answer for every authenticated principal.
    Principal,
    /// The truth for one's own accounts and contracts or by policy; otherwise the answer of an
    /// empty account.
    OwnOrEmpty,
    /// Executes a call in the name of a linked wallet, decided by policy on the decoded call.
    Call,
    /// Submits a transaction that a linked wallet signed, decided by policy on the decoded call.
    Send,
    /// Chain data with everything left out that the principal may not see.
    Filtered,
    /// Decided by policy on the named object; a denial is an error.
    Policy,
    /// Has a place in the table but is not served yet: the refusal says so.
    Later,
    /// Never served by a chain that keeps no keys and has no such interface.
    Refused,
}

macro_rules! methods {
    ($($variant:ident = $name:literal => $exposure:ident,)+) => {
        /// A JSON-RPC method, or a family of methods that is refused as a whole.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Method {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Method {
            /// Every method, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name on the wire; a family's name ends with `*`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it may reveal.
            #[must_use]
            pub const fn exposure(self) -> Exposure {
                match self { $(Self::$variant => Exposure::$exposure,)+ }
            }

            fn exact(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

methods! {
    EthChainId = "eth_chainId" => Public,
    NetVersion = "net_version" => Public,
    Web3ClientVersion = "web3_clientVersion" => Public,
    EthBlockNumber = "eth_blockNumber" => Principal,
    EthGasPrice = "eth_gasPrice" => Principal,
    EthMaxPriorityFeePerGas = "eth_maxPriorityFeePerGas" => Principal,
    EthFeeHistory = "eth_feeHistory" => Principal,
    EthBlobBaseFee = "eth_blobBaseFee" => Principal,
    EthSyncing = "eth_syncing" => Principal,
    EthGetBalance = "eth_getBalance" => OwnOrEmpty,
    EthGetTransactionCount = "eth_getTransactionCount" => OwnOrEmpty,
    EthGetCode = "eth_getCode" => OwnOrEmpty,
    EthCall = "eth_call" => Call,
    EthEstimateGas = "eth_estimateGas" => Call,
    EthCreateAccessList = "eth_createAccessList" => Later,
    EthSendRawTransaction = "eth_sendRawTransaction" => Send,
    EthSendRawTransactionSync = "eth_sendRawTransactionSync" => Send,
    EthGetTransactionByHash = "eth_getTransactionByHash" => Filtered,
    EthGetTransactionReceipt = "eth_getTransactionReceipt" => Filtered,
    EthGetRawTransactionByHash = "eth_getRawTransactionByHash" => Filtered,
    EthGetTransactionByBlockHashAndIndex = "eth_getTransactionByBlockHashAndIndex" => Filtered,
    EthGetTransactionByBlockNumberAndIndex = "eth_getTransactionByBlockNumberAndIndex" => Filtered,
    EthGetRawTransactionByBlockHashAndIndex = "eth_getRawTransactionByBlockHashAndIndex" => Filtered,
    EthGetRawTransactionByBlockNumberAndIndex = "eth_getRawTransactionByBlockNumberAndIndex" => Filtered,
    EthGetBlockByNumber = "eth_getBlockByNumber" => Filtered,
    EthGetBlockByHash = "eth_getBlockByHash" => Filtered,
    EthGetHeaderByNumber = "eth_getHeaderByNumber" => Filtered,
    EthGetHeaderByHash = "eth_getHeaderByHash" => Filtered,
    EthGetBlockReceipts = "eth_getBlockReceipts" => Filtered,
    EthGetBlockTransactionCountByNumber = "eth_getBlockTransactionCountByNumber" => Filtered,
    EthGetBlockTransactionCountByHash = "eth_getBlockTransactionCountByHash" => Filtered,
    EthGetLogs = "eth_getLogs" => Filtered,
    EthNewFilter = "eth_newFilter" => Later,
    EthNewBlockFilter = "eth_newBlockFilter" => Later,
    EthNewPendingTransactionFilter = "eth_newPendingTransactionFilter" => Later,
    EthGetFilterChanges = "eth_getFilterChanges" => Later,
    EthGetFilterLogs = "eth_getFilterLogs" => Later,
    EthUninstallFilter = "eth_uninstallFilter" => Later,
    EthSubscribe = "eth_subscribe" => Later,
    EthUnsubscribe = "eth_unsubscribe" => Later,
    EthGetStorageAt = "eth_getStorageAt" => Refused,
    EthGetProof = "eth_getProof" => Refused,
    DebugTraceTransaction = "debug_traceTransaction" => Later,
    DebugTraceCall = "debug_traceCall" => Later,
    EthSimulateV1 = "eth_simulateV1" => Later,
    EthAccounts = "eth_accounts" => Refused,
    EthSign = "eth_sign*" => Refused,
    EthSendTransaction = "eth_sendTransaction" => Refused,
    Personal = "personal_*" => Refused,
    Admin = "admin_*" => Refused,
    Miner = "miner_*" => Refused,
    Txpool = "txpool_*" => Refused,
    Engine = "engine_*" => Refused,
    CloisterWhoami = "cloister_whoami" => Principal,
    CloisterGetBatch = "cloister_getBatch" => Filtered,
    CloisterGetBatchByTransaction = "cloister_getBatchByTransaction" => Filtered,
    CloisterGetFinality = "cloister_getFinality" => Filtered,
    CloisterExplain = "cloister_explain" => Principal,
    CloisterGetStateProof = "cloister_getStateProof" => Policy,
    CloisterRegisterContract = "cloister_registerContract" => Policy,
    CloisterGetContract = "cloister_getContract" => Policy,
    CloisterRevokeSessions = "cloister_revokeSessions" => Policy,
    CloisterSealBatch = "cloister_sealBatch" => Policy,
    CloisterListProofJobs = "cloister_listProofJobs" => Policy,
    CloisterGetProofJob = "cloister_getProofJob" => Policy,
    CloisterRetryProofJob = "cloister_retryProofJob" => Policy,
    CloisterDiscardProofJob = "cloister_discardProofJob" => Policy,
    CloisterGetProof = "cloister_getProof" => Policy,
}

/// Families that are refused as a whole, by the beginning of the name.
const FAMILIES: [(&str, Method); 6] = [
    ("eth_sign", Method::EthSign),
    ("personal_", Method::Personal),
    ("admin_", Method::Admin),
    ("miner_", Method::Miner),
    ("txpool_", Method::Txpool),
    ("engine_", Method::Engine),
];

impl Method {
    /// Finds the method that a request names; `None` is answered with -32601.
    ///
    /// ```
    /// use cloister_gateway::method::Method;
    /// assert_eq!(Method::parse("eth_call"), Some(Method::EthCall));
    /// assert_eq!(Method::parse("personal_unlockAccount"), Some(Method::Personal));
    /// assert_eq!(Method::parse("eth_mine"), None);
    /// ```
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name.ends_with('*') {
            return None;
        }
        Self::exact(name).or_else(|| {
            FAMILIES
                .iter()
                .find(|(prefix, _)| name.starts_with(prefix))
                .map(|(_, family)| *family)
        })
    }

    /// Whether it is answered without a token.
    #[must_use]
    pub fn is_public(self) -> bool {
        self.exposure() == Exposure::Public
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_found_again() {
        for method in Method::ALL {
            let name = method.name();
            match name.strip_suffix('*') {
                Some(prefix) => {
                    assert_eq!(Method::parse(&format!("{prefix}Something")), Some(*method));
                    assert_eq!(Method::parse(name), None, "a family's name is not a method");
                }
                None => assert_eq!(Method::parse(name), Some(*method)),
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = Method::ALL.iter().map(|method| method.name()).collect();
        assert_eq!(names.len(), Method::ALL.len());
    }

    #[test]
    fn only_constants_of_the_installation_are_public() {
        let public: Vec<_> = Method::ALL
            .iter()
            .filter(|method| method.is_public())
            .map(|method| method.name())
            .collect();
        assert_eq!(public, ["eth_chainId", "net_version", "web3_clientVersion"]);
    }

    #[test]
    fn refuses_every_method_that_would_need_a_key_here() {
        for name in [
            "eth_sign",
            "eth_signTransaction",
            "eth_signTypedData_v4",
            "eth_sendTransaction",
            "eth_accounts",
            "personal_sign",
        ] {
            let method = Method::parse(name).unwrap();
            assert_eq!(method.exposure(), Exposure::Refused, "{name}");
        }
    }

    #[test]
    fn does_not_know_what_is_not_in_the_table() {
        for name in [
            "",
            "eth_",
            "eth_Call",
            "eth_call ",
            "anvil_setBalance",
            "hardhat_reset",
        ] {
            assert_eq!(Method::parse(name), None, "`{name}`");
        }
    }
}
