package dbfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	bolt "go.etcd.io/bbolt"

	"plugtone/dhcp"
)

// maxListed bounds how much damage of one kind a Report lists.
const maxListed = 50

// Report is what a check of one file found.
type Report struct {
	File    string   `json:"file"`
	Sound   bool     `json:"sound"`
	Records int      `json:"records"`           // that were read
	Pages   []string `json:"pages,omitempty"`   // damage of the file's structure
	Damaged int      `json:"damaged"`           // records that don't match their checksum
	Keys    []string `json:"keys,omitempty"`    // the first of them
	Problem string   `json:"problem,omitempty"` // why it could not be checked
}

// Damage describes what is wrong, "" when nothing is.
func (r Report) Damage() string {
	switch {
	case r.Problem != "":
		return r.Problem
	case len(r.Pages) == 1:
		return r.Pages[0]
	case len(r.Pages) > 1:
		return fmt.Sprintf("%s, and %d more", r.Pages[0], len(r.Pages)-1)
	case r.Damaged > 0:
		return fmt.Sprintf("%d of %d records do not match their checksums", r.Damaged, r.Records)
	}
	return ""
}

func (r *Report) addPage(problem string) {
	if len(r.Pages) < maxListed {
		r.Pages = append(r.Pages, problem)
	}
}

// inspect reads every record of the open file. With pages it runs bbolt's own check of the structure first: then a
// damaged file can end the process.
func inspect(f *os.File, name string, schema Schema, pages bool) (r Report) {
	r.File = name
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		r.Problem = err.Error()
		return r
	}
	err = guard(func() error {
		db, err := bolt.Open(f.Name(), FileMode, &bolt.Options{ReadOnly: true, Timeout: lockTries * lockPause,
			OpenFile: func(name string, _ int, _ os.FileMode) (*os.File, error) { return os.NewFile(uintptr(fd), name), nil }})
		if err != nil {
			return err
		}
		err = db.View(func(tx *bolt.Tx) error {
			if pages {
				for problem := range tx.Check() {
					if r.addPage(problem.Error()); len(r.Pages) == maxListed {
						return errEnough
					}
				}
			}
			if len(r.Pages) > 0 {
				return nil
			}
			_, err := walk(tx, schema, &r)
			return err
		})
		if errors.Is(err, errEnough) {
			return nil // bbolt's check may still read the map: the file stays open until the process ends
		}
		return errors.Join(err, db.Close())
	})
	if err != nil {
		r.addPage(err.Error())
	}
	r.Sound = len(r.Pages) == 0 && r.Damaged == 0
	return r
}

// errEnough ends a check: pages that lead back to themselves have problems without end.
var errEnough = errors.New("enough is damaged")

// location is the place of a record.
type location struct{ table, key []byte }

// walk reads every record and returns where the damaged ones are.
func walk(tx *bolt.Tx, schema Schema, r *Report) (bad []location, err error) {
	version, ok := schemaVersion(tx)
	if !ok {
		r.Damaged++
		r.Keys = append(r.Keys, MetaTable+"/"+keySchema)
	} else if version < schema.Checksums {
		schema.Checksums = 0 // written before there were checksums
	}
	err = tx.ForEach(func(table []byte, b *bolt.Bucket) error {
		if string(table) == DamagedTable {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				return Damagedf("%s/%s is no record", table, dhcp.TextOrHex(k))
			}
			r.Records++
			if schema.Checksums == 0 || string(table) == MetaTable && string(k) == keySchema {
				return nil
			}
			if _, err := Payload(string(table), k, v); err != nil {
				bad = append(bad, location{bytes.Clone(table), bytes.Clone(k)})
				if r.Damaged++; len(r.Keys) < maxListed {
					r.Keys = append(r.Keys, fmt.Sprintf("%s/%s", table, dhcp.TextOrHex(k)))
				}
			}
			return nil
		})
	})
	return bad, err
}

// check checks the locked file in a process of its own: command with the file's name as its last argument and the file as
// descriptor 3. Without a command it reads the records in this process, and leaves out bbolt's check of the pages. A command that can't be
// started is an error: a damaged file could take all memory of this process.
func check(lock *os.File, name string, schema Schema, command []string) (Report, error) {
	r, err := run(lock, name, command)
	if errors.Is(err, errNoCommand) {
		r, err = inspect(lock, name, schema, false), nil
	}
	if err != nil {
		return r, err
	}
	// The check turns the lock into a shared one.
	return r, flock(lock, syscall.LOCK_EX)
}

var (
	errNoCommand = errors.New("no command to check files with")
	// errEnded is no evidence about the file: the system stops, or memory is short.
	errEnded = errors.New("its check was ended")
)

// endedFromOutside reports whether the check was killed by a signal that no damaged file causes.
func endedFromOutside(exit *exec.ExitError) bool {
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return false
	}
	switch status.Signal() {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGKILL:
		return true
	}
	return false
}

func run(lock *os.File, name string, command []string) (r Report, err error) {
	if len(command) == 0 {
		return r, errNoCommand
	}
	var out, failed bytes.Buffer
	c := exec.Command(command[0], append(command[1:len(command):len(command)], name)...)
	c.ExtraFiles, c.Stdout, c.Stderr = []*os.File{lock}, &out, &failed
	err = c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r, fmt.Errorf("%s is not read unchecked, and its check can't be started: %w", lock.Name(), err)
	}
	if json.Unmarshal(out.Bytes(), &r) == nil && r.File == name {
		return r, nil
	}
	if exit != nil && endedFromOutside(exit) {
		return r, fmt.Errorf("%s: %w: %s", lock.Name(), errEnded, exit)
	}
	first, _, _ := bytes.Cut(failed.Bytes(), []byte("\n"))
	r = Report{File: name}
	r.addPage(fmt.Sprintf("bbolt can't read it: %.200s", first))
	return r, nil
}

// CheckInherited checks the file that descriptor 3 has open and writes a Report to w. It is the other side of the command
// that a File is checked with.
func CheckInherited(w io.Writer, name string, schema Schema) (sound bool, err error) {
	f := os.NewFile(3, name)
	if err := limitMemory(f); err != nil {
		return false, err
	}
	r := inspect(f, name, schema, true)
	return r.Sound, json.NewEncoder(w).Encode(r)
}

// CheckFile checks a file that no daemon uses.
func CheckFile(path string, s Spec, command []string) Report {
	name := s.Name
	f, err := lockToRead(path)
	if err != nil {
		return Report{File: name, Problem: err.Error()}
	}
	defer f.Close()
	if _, err := digest(f); err != nil {
		return Report{File: name, Problem: err.Error()}
	}
	if info, err := f.Stat(); err != nil || info.Size() == 0 {
		return Report{File: name, Problem: "it is empty"}
	}
	r, err := run(f, name, command)
	if errors.Is(err, errNoCommand) {
		return inspect(f, name, s.Schema, false)
	}
	if err != nil {
		return Report{File: name, Problem: err.Error()}
	}
	return r
}
