/** What this build calls itself; the build puts the package's version in place of the variable. */
export const VERSION = process.env.TSD_VERSION ?? "0.0.0-dev";
