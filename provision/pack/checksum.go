package pack

import (
	"crypto/md5" // phones of 2014 check transfers with it; it guards nothing
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"plugtone/provision/render"
)

// A checksum file holds the digest of another of the pack's files, in lower-case hexadecimal. It tells something of that
// file's contents, and so needs the same proof.

// checkChecksum fills in the digest and tells what is wrong with the declaration.
func (f *File) checkChecksum() error {
	if f.Template != "" || f.Format != "" || f.Of == "" {
		return fmt.Errorf("file %s: kind checksum has no template and no format, but of: the file that it is the checksum of", f.Name)
	}
	if f.digest == "" {
		f.digest = "md5"
	}
	if !slices.Contains([]string{"md5", "sha1", "sha256"}, f.digest) {
		return fmt.Errorf("file %s: digest %q is none of md5, sha1, sha256", f.Name, f.digest)
	}
	if f.MediaType == "" {
		f.MediaType = "text/plain; charset=utf-8"
	}
	return nil
}

// compileChecksums finds the files that checksums are of.
func (v *Vendor) compileChecksums() []error {
	var errs []error
	for _, f := range v.files {
		if f.Kind != kindChecksum {
			continue
		}
		found := false
		for _, of := range v.files {
			if of.Name != f.Of && !slices.Contains(of.Also, f.Of) || of.compiled == nil {
				continue
			}
			if found && of.Kind != f.Kind {
				errs = append(errs, atLine(f.line, "file %s: %s is of kind %s for some models and %s for others", f.Name, f.Of, f.Kind, of.Kind))
			}
			found, f.Kind, f.Template, f.Challenge, f.settings = true, of.Kind, of.Template, of.Challenge, of.settings
		}
		if !found {
			errs = append(errs, atLine(f.line, "file %s: of %q is none of the files with a template", f.Name, f.Of))
		}
	}
	return errs
}

// renderChecksum renders the file that f is the checksum of, and gives its digest.
func (v *Vendor) renderChecksum(f *File, m *Model, p Phone) ([]byte, []render.Param, error) {
	of, err := v.file(f.Of, m)
	if err != nil {
		return nil, nil, err
	}
	body, _, err := v.renderFile(of, m, p)
	if err != nil {
		return nil, nil, err
	}
	return append([]byte(f.sum(body)), '\n'), nil, nil
}

func (f *File) sum(body []byte) string {
	switch f.digest {
	case "sha1":
		d := sha1.Sum(body)
		return hex.EncodeToString(d[:])
	case "sha256":
		d := sha256.Sum256(body)
		return hex.EncodeToString(d[:])
	}
	d := md5.Sum(body)
	return hex.EncodeToString(d[:])
}

// renders reports whether the file has contents that are rendered.
func (f *File) renders() bool { return f.compiled != nil || f.Of != "" }

// verify reads a rendered file back in its format.
func (f *File) verify(data []byte, params []render.Param) error {
	if f.Of == "" {
		return f.compiled.Format.Verify(data, params)
	}
	sum, err := hex.DecodeString(string(data[:max(len(data)-1, 0)]))
	if err != nil || len(sum) < md5.Size {
		return fmt.Errorf("%.80q is no %s", data, f.digest)
	}
	return nil
}
