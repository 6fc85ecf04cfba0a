/* SPDX-License-Identifier: GPL-2.0 */
/* SHA-256 with the SHA extensions, for freestanding code: the kernel's own source. */
#include "ni.h"
#include "../../../../lib/crypto/x86/sha256-ni-asm.S"
