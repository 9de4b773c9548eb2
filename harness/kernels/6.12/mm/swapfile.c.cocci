
// As for later versions, between what is to be done and what goes then.
@flush_def@
identifier sis;
position p;
@@
+#include "swapfile_flush.c.inc"
+
 static void destroy_swap_extents@p(struct swap_info_struct *sis) { ... }

@flush@
expression si;
position p;
@@
 flush_work(&si->reclaim_work);
+swap_slot_free_flush(si);

 destroy_swap_extents@p(si);
