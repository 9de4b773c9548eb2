/* SPDX-License-Identifier: GPL-2.0 */
/* Inclusion of this header marks a file as a user of the library. */
#include "../kernel.h"
