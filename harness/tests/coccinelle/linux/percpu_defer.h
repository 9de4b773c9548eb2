/* SPDX-License-Identifier: GPL-2.0 */
/* Who includes this uses the library. */
#include "../kernel.h"
