//! Generated at compile time from the committed artefacts; nothing here is written by hand.

use alloy::sol;

sol!(
    #[derive(Debug, PartialEq, Eq)]
    Rollup,
    "../../contracts/artifacts/Rollup.json"
);

sol!(
    #[derive(Debug, PartialEq, Eq)]
    VerifierRouter,
    "../../contracts/artifacts/VerifierRouter.json"
);

sol!(
    #[derive(Debug, PartialEq, Eq)]
    TimelockController,
    "../../contracts/artifacts/TimelockController.json"
);

sol!(
    #[derive(Debug, PartialEq, Eq)]
    ERC1967Proxy,
    "../../contracts/artifacts/ERC1967Proxy.json"
);

sol!(
    #[derive(Debug, PartialEq, Eq)]
    WrapVerifier,
    "../../contracts/artifacts/WrapVerifier.json"
);
