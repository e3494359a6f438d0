// Deploys and uses a token with ethers, unmodified, through the gateway.
//
//   NODE_EXTRA_CA_CERTS=ca.pem node ethers.mjs CONFIG.json
//
// CONFIG: { url, token, chain_id, private_key, recipient, artifact }
// Prints one JSON object with what it saw; any surprise is an exception.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { ContractFactory, FetchRequest, JsonRpcProvider, NonceManager, Wallet, parseUnits } from 'ethers';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const artifact = JSON.parse(readFileSync(config.artifact, 'utf8'));
const request = new FetchRequest(config.url);
request.setHeader('authorization', `Bearer ${config.token}`);
const provider = new JsonRpcProvider(request, config.chain_id, { pollingInterval: 100, cacheTimeout: -1 });
const wallet = new Wallet(config.private_key, provider);
const signer = new NonceManager(wallet);

assert.equal((await provider.getNetwork()).chainId, BigInt(config.chain_id));

const factory = new ContractFactory(artifact.abi, artifact.bytecode.object, signer);
const token = await factory.deploy('Ethers Token', 'ETHR');
await token.waitForDeployment();
const address = await token.getAddress();

const amount = parseUnits('1000', 18);
const minted = await (await token.mint(wallet.address, amount)).wait();
assert.equal(minted.status, 1);

const sent = parseUnits('7', 18);
const transfer = await token.transfer(config.recipient, sent);
const receipt = await transfer.wait();
assert.equal(receipt.status, 1);
assert.equal(await token.balanceOf(config.recipient), sent);
assert.equal(await token.balanceOf(wallet.address), amount - sent);

const events = await token.queryFilter(token.filters.Transfer(), receipt.blockNumber, receipt.blockNumber);
assert.ok(events.some((event) => event.transactionHash === transfer.hash));
await assert.rejects(token.transfer.staticCall(config.recipient, amount * 2n), /ERC20InsufficientBalance/);
assert.equal((await provider.getTransactionReceipt(transfer.hash)).logs.length, 1);
assert.equal(await provider.getTransactionCount(wallet.address), 3 + config.nonce);

console.log(JSON.stringify({ address, transfer: transfer.hash, block: receipt.blockNumber }));
provider.destroy();
