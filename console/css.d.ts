/** esbuild gathers style sheets; the compiler needs to know no more of them. */
declare module "*.css";
