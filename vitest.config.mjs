import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "jsdom",
    include: ["js/**/*.test.{ts,tsx}"],
    setupFiles: ["js/lab/test/setup.ts"],
    // Machines are busy: what hangs ends, what is slow does not fail.
    testTimeout: 60_000,
    // Written for bundlers: it names modules without their endings, which node alone does not find.
    server: { deps: { inline: [/@jupyter\//, /@jupyterlab\//] } },
  },
});
