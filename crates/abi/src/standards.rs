//! ABIs of well-known standards, usable as templates.

use crate::contract::ContractAbi;

/// ERC-20 (EIP-20) with the usual extensions: metadata, mint, burn, permit (EIP-2612).
pub const ERC20: &str = "erc20";
/// ERC-721 (EIP-721) with metadata.
pub const ERC721: &str = "erc721";
/// ERC-1155 (EIP-1155).
pub const ERC1155: &str = "erc1155";
/// Ownership, roles and pausing as `OpenZeppelin` contracts have them.
pub const ACCESS: &str = "access";
/// Everything in this module; where selectors are shared, ERC-20's names win.
pub const STANDARD: &str = "standard";

const ERC20_ITEMS: &[&str] = &[
    "function name() view returns (string)",
    "function symbol() view returns (string)",
    "function decimals() view returns (uint8)",
    "function totalSupply() view returns (uint256)",
    "function balanceOf(address account) view returns (uint256)",
    "function allowance(address owner, address spender) view returns (uint256)",
    "function transfer(address to, uint256 value) returns (bool)",
    "function approve(address spender, uint256 value) returns (bool)",
    "function transferFrom(address from, address to, uint256 value) returns (bool)",
    "function increaseAllowance(address spender, uint256 addedValue) returns (bool)",
    "function decreaseAllowance(address spender, uint256 subtractedValue) returns (bool)",
    "function mint(address to, uint256 value)",
    "function burn(uint256 value)",
    "function burnFrom(address account, uint256 value)",
    "function nonces(address owner) view returns (uint256)",
    "function DOMAIN_SEPARATOR() view returns (bytes32)",
    "function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)",
    "event Transfer(address indexed from, address indexed to, uint256 value)",
    "event Approval(address indexed owner, address indexed spender, uint256 value)",
];

const ERC721_ITEMS: &[&str] = &[
    "function name() view returns (string)",
    "function symbol() view returns (string)",
    "function tokenURI(uint256 tokenId) view returns (string)",
    "function balanceOf(address owner) view returns (uint256)",
    "function ownerOf(uint256 tokenId) view returns (address)",
    "function getApproved(uint256 tokenId) view returns (address)",
    "function isApprovedForAll(address owner, address operator) view returns (bool)",
    "function supportsInterface(bytes4 interfaceId) view returns (bool)",
    "function approve(address to, uint256 tokenId)",
    "function setApprovalForAll(address operator, bool approved)",
    "function transferFrom(address from, address to, uint256 tokenId)",
    "function safeTransferFrom(address from, address to, uint256 tokenId)",
    "function safeTransferFrom(address from, address to, uint256 tokenId, bytes data)",
    "event Transfer(address indexed from, address indexed to, uint256 indexed tokenId)",
    "event Approval(address indexed owner, address indexed approved, uint256 indexed tokenId)",
    "event ApprovalForAll(address indexed owner, address indexed operator, bool approved)",
];

const ERC1155_ITEMS: &[&str] = &[
    "function uri(uint256 id) view returns (string)",
    "function balanceOf(address account, uint256 id) view returns (uint256)",
    "function balanceOfBatch(address[] accounts, uint256[] ids) view returns (uint256[])",
    "function isApprovedForAll(address account, address operator) view returns (bool)",
    "function supportsInterface(bytes4 interfaceId) view returns (bool)",
    "function setApprovalForAll(address operator, bool approved)",
    "function safeTransferFrom(address from, address to, uint256 id, uint256 value, bytes data)",
    "function safeBatchTransferFrom(address from, address to, uint256[] ids, uint256[] values, bytes data)",
    "event TransferSingle(address indexed operator, address indexed from, address indexed to, uint256 id, uint256 value)",
    "event TransferBatch(address indexed operator, address indexed from, address indexed to, uint256[] ids, uint256[] values)",
    "event ApprovalForAll(address indexed account, address indexed operator, bool approved)",
    "event URI(string value, uint256 indexed id)",
];

const ACCESS_ITEMS: &[&str] = &[
    "function owner() view returns (address)",
    "function transferOwnership(address newOwner)",
    "function renounceOwnership()",
    "function acceptOwnership()",
    "function pendingOwner() view returns (address)",
    "function paused() view returns (bool)",
    "function pause()",
    "function unpause()",
    "function DEFAULT_ADMIN_ROLE() view returns (bytes32)",
    "function hasRole(bytes32 role, address account) view returns (bool)",
    "function getRoleAdmin(bytes32 role) view returns (bytes32)",
    "function grantRole(bytes32 role, address account)",
    "function revokeRole(bytes32 role, address account)",
    "function renounceRole(bytes32 role, address callerConfirmation)",
    "event OwnershipTransferred(address indexed previousOwner, address indexed newOwner)",
    "event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender)",
    "event RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender)",
    "event RoleAdminChanged(bytes32 indexed role, bytes32 indexed previousAdminRole, bytes32 indexed newAdminRole)",
    "event Paused(address account)",
    "event Unpaused(address account)",
];

/// ERC-20 and access control.
#[must_use]
pub fn erc20() -> ContractAbi {
    build(ERC20_ITEMS).or(&access())
}

/// ERC-721 and access control.
#[must_use]
pub fn erc721() -> ContractAbi {
    build(ERC721_ITEMS).or(&access())
}

/// ERC-1155 and access control.
#[must_use]
pub fn erc1155() -> ContractAbi {
    build(ERC1155_ITEMS).or(&access())
}

/// Ownership, roles and pausing alone.
#[must_use]
pub fn access() -> ContractAbi {
    build(ACCESS_ITEMS)
}

/// All of them in one.
#[must_use]
pub fn standard() -> ContractAbi {
    erc20().or(&erc721()).or(&erc1155())
}

/// Name and ABI of every template.
#[must_use]
pub fn all() -> Vec<(&'static str, ContractAbi)> {
    vec![
        (ACCESS, access()),
        (ERC1155, erc1155()),
        (ERC20, erc20()),
        (ERC721, erc721()),
        (STANDARD, standard()),
    ]
}

fn build(items: &[&str]) -> ContractAbi {
    let parsed = ContractAbi::from_items(items.iter().copied());
    debug_assert!(parsed.is_ok(), "a built-in ABI does not parse: {parsed:?}");
    parsed.unwrap_or_default()
}
