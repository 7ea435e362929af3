// Plugtone boots desk phones: it leases addresses, gives each phone the address of its configuration, renders it, and
// can report afterwards what happened. plugtone help shows its commands.
package main

import (
	"context"
	"os"
	_ "time/tzdata"
)

func main() {
	os.Exit(execute(context.Background(), newProgram(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
