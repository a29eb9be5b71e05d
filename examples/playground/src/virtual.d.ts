// The module that vite.config.ts makes of the output of record.ts.

declare module "virtual:recorded" {
  const recorded: import("./recorded.js").Recorded;
  export default recorded;
}
