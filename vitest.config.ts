import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{shared,proto,hw,agent,controller,test,scripts}/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/bench/**"],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    pool: "forks",
  },
});
