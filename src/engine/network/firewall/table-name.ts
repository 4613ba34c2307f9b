/** What is ours in the host's firewall is known by: one name for each data root. */
export const tableName = (engineId: string): string =>
  `tsd-${engineId
    .replace(/[^0-9a-fA-F]/g, "")
    .slice(0, 8)
    .toLowerCase()}`;
