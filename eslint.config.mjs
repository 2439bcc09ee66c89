// Rules for js/: TypeScript's strict ones with types, and React's rules of hooks.
import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig } from "eslint/config";
import ts from "typescript-eslint";

export default defineConfig(
  { ignores: ["**/*.mjs", "js/lab/style/*.js"] },
  js.configs.recommended,
  ts.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { project: ["./tsconfig.json", "./js/lab/tsconfig.eslint.json"] },
    },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      // Whoever listens may take their time: what goes wrong then is shown by the listener.
      "@typescript-eslint/no-misused-promises": [
        "error",
        { checksVoidReturn: { arguments: false, attributes: false } },
      ],
    },
  },
  { files: ["js/lab/**/*.tsx"], ...hooks.configs["recommended-latest"] },
);
