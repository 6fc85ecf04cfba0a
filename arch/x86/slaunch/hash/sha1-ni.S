/* SPDX-License-Identifier: GPL-2.0 */
/* SHA-1 with the SHA extensions, for freestanding code: the kernel's own source. */
#include "ni.h"
#include "../../../../lib/crypto/x86/sha1-ni-asm.S"
