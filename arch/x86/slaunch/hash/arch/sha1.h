/* SPDX-License-Identifier: GPL-2.0 */
/* The architecture's part of lib/crypto/sha1.c, for freestanding code. */

asmlinkage void sha1_ni_transform(struct sha1_block_state *state,
				  const u8 *data, size_t nblocks);

static void sha1_blocks(struct sha1_block_state *state, const u8 *data,
			size_t nblocks)
{
	if (slaunch_hash_ni)
		sha1_ni_transform(state, data, nblocks);
	else
		sha1_blocks_generic(state, data, nblocks);
}
