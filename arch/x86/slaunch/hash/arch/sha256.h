/* SPDX-License-Identifier: GPL-2.0 */
/* The architecture's part of lib/crypto/sha256.c, for freestanding code. */

asmlinkage void sha256_ni_transform(struct sha256_block_state *state,
				    const u8 *data, size_t nblocks);

static void sha256_blocks(struct sha256_block_state *state, const u8 *data,
			  size_t nblocks)
{
	if (slaunch_hash_ni)
		sha256_ni_transform(state, data, nblocks);
	else
		sha256_blocks_generic(state, data, nblocks);
}
