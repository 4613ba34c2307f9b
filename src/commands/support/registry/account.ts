/** Who a user is at a registry. */
export interface Account {
  username?: string;
  password?: string;
  /** In place of a password. */
  identitytoken?: string;
}

/** What Docker Hub's account is kept under. */
export const HUB = "https://index.docker.io/v1/";
