// Loaded before Azurite: ends it when the process that started it is gone, however that ended (its pipe closes).
process.stdin.resume().on("end", () => process.exit(0));
