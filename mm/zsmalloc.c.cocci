// SPDX-License-Identifier: GPL-2.0
// Bulk free for zsmalloc: zsmalloc_bulk.c.inc. zsmalloc_class.c.inc finds the class of an
// object, which differs between kernel versions.

@bulk@
identifier src;
position p;
@@
+#include "zsmalloc_class.c.inc"
+
+#include "zsmalloc_bulk.c.inc"
+
 static void zs_object_copy@p(struct size_class *class, unsigned long dst,
 			     unsigned long src)
 { ... }
