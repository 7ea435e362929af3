// Package powerloss simulates the loss of power for tests. Record runs a program under strace(1) and has every system call by which it
// changes files. At returns the files as a file system may leave them when the power goes after any of these calls.
//
// What is assumed of the disk and the file system is what POSIX promises and no more. A write is durable when an fsync or fdatasync of its
// file that began after the write has returned, or when the file was opened with O_DSYNC and the write has returned. A name is durable
// when an fsync of its folder has. Whatever is not durable is there, is not, or is there in part, in sectors of 512 bytes and in any
// order; a file may have its new size and zeros in the place of what was written. A rename is one step.
package powerloss
