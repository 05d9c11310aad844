import { sinter } from "sinter/vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [sinter()],
  build: { target: "esnext" },
});
