/**
 * The fields of `memory.stat` that `memory_stats.stats` has, always all of them: clients read them by name, and those
 * of the two versions differ.
 * @source Engine API, ContainerMemoryStats; cgroup-v1/memory.rst, cgroup-v2.rst
 */
const words = (text: string): readonly string[] => text.trim().split(/\s+/).sort();

const OWN = words(`
  cache rss rss_huge mapped_file dirty writeback pgpgin pgpgout pgfault pgmajfault
  inactive_anon active_anon inactive_file active_file unevictable`);

export const MEMORY_FIELDS_V1: readonly string[] = [
  ...OWN,
  "hierarchical_memory_limit",
  "hierarchical_memsw_limit",
  ...OWN.map((name) => `total_${name}`),
].sort();

export const MEMORY_FIELDS_V2: readonly string[] = words(`
  anon file kernel_stack slab sock shmem file_mapped file_dirty file_writeback anon_thp
  inactive_anon active_anon inactive_file active_file unevictable slab_reclaimable slab_unreclaimable
  pgfault pgmajfault workingset_refault workingset_activate workingset_nodereclaim
  pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed thp_fault_alloc thp_collapse_alloc`);
