// SPDX-License-Identifier: GPL-2.0
/* SHA-384 and SHA-512 for freestanding code: the kernel's own source. */
#include "freestanding.h"

/* There are no SHA-512 instructions without AVX: portable C. */
#undef CONFIG_CRYPTO_LIB_SHA512_ARCH

#include "../../../../lib/crypto/sha512.c"

/* The size that mod.rs sets aside. */
static_assert(sizeof(struct sha384_ctx) == 208);
static_assert(sizeof(struct sha512_ctx) == 208);
