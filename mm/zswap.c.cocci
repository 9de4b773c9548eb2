// SPDX-License-Identifier: GPL-2.0
// zswap frees entries in batches (zswap_free.c.inc), those of slots that swap frees among
// them (zswap_invalidate.c.inc), and the stale one of a page that is zero-filled now
// (zswap_forget.c.inc).

// Comes after what the next rule puts there.
@forget@
position p;
@@
 static void zswap_entry_free@p(struct zswap_entry *entry) { ... }
+
+#include "zswap_forget.c.inc"

@insert@
position p;
@@
 static void zswap_entry_free@p(struct zswap_entry *entry) { ... }
+
+#include "zswap_free.c.inc"
+
+#include "zswap_invalidate.c.inc"

@invalidate@
position p;
@@
-void zswap_invalidate@p(...) { ... }

@invalidate_range@
position p;
@@
+#include "zswap_invalidate_range.c.inc"
+
 int zswap_swapon@p(...) { ... }
