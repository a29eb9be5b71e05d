// Frameworks whose server computes.

import type { Consumer } from "../project.js";

const next = (bundler: "turbopack" | "webpack"): Consumer => ({
  name: `Next, ${bundler}`,
  packages: ["next@16", "react@19", "react-dom@19"],
  files: {
    "app/say/route.js": `import { say } from "../../program.mjs";
export const dynamic = "force-dynamic";
export const GET = async () => new Response(await say());
`,
  },
  use: async (project) => {
    await project.run("next", "build", `--${bundler}`);
    return project.outcomeOfServer("/say", "next", "start");
  },
});

const svelteKit: Consumer = {
  name: "SvelteKit, adapter-node",
  packages: ["@sveltejs/kit@2", "@sveltejs/adapter-node@5", "@sveltejs/vite-plugin-svelte@6", "svelte@5", "vite@7"],
  files: {
    "svelte.config.js": 'import adapter from "@sveltejs/adapter-node";\nexport default { kit: { adapter: adapter() } };\n',
    "vite.config.js": 'import { sveltekit } from "@sveltejs/kit/vite";\nexport default { plugins: [sveltekit()] };\n',
    "src/app.html": "<!doctype html><html><head>%sveltekit.head%</head><body>%sveltekit.body%</body></html>\n",
    "src/routes/say/+server.js": `import { say } from "../../../program.mjs";
export const GET = async () => new Response(await say());
`,
  },
  use: async (project) => {
    await project.run("vite", "build");
    return project.outcomeOfServer("/say", process.execPath, "build");
  },
};

export const SERVERS: readonly Consumer[] = [next("turbopack"), next("webpack"), svelteKit];
