/* SPDX-License-Identifier: GPL-2.0 */
/* Files that include this use the library. */
#include "../kernel.h"
