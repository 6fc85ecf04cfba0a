// SPDX-License-Identifier: GPL-2.0

//! The pure part of Secure Launch.
