/* A stand-in for a library of the vendor that a plugin needs; for loader.test.ts. */
int vendorFunction(void) { return 0; }
