package pbxsync_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/provision/pack"
	"plugtone/provision/pbx"
	"plugtone/provision/pbxsync"
	"plugtone/provision/provisiontest"
)

func newSources(r *provisiontest.Records, list ...pbxsync.Source) *pbxsync.Sources {
	return pbxsync.New(pbxsync.Config{Sources: func() []pbxsync.Source { return list }, Records: r, Packs: packs, Discovered: &discovered{}, Synced: func(string, bool) {}, Concerned: func(string, []dhcp.MAC) {},
		Now: time.Now, Log: slog.New(slog.DiscardHandler), ReadTime: 100 * time.Millisecond})
}

// TestPBXThatDoesNotGoOnIsGivenUp connects to a database that accepts and is silent.
func TestPBXThatDoesNotGoOnIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	s := newSources(&provisiontest.Records{}, pbxsync.Source{Name: "main", Source: pbx.Source{Type: "freepbx", DSN: "mysql://reader@" + l.Addr().String() + "/asterisk"}})
	_, err = s.Read(context.Background(), "main")
	if bad, ok := errors.AsType[*pbxsync.ReadError](err); !ok || bad.Source != "main" {
		t.Errorf("%v", err)
	}
}

func TestOnlyASourceOfTheTypePushIsPushedTo(t *testing.T) {
	r := &provisiontest.Records{}
	s := newSources(r, pbxsync.Source{Name: "main", Source: pbx.Source{Type: "freepbx"}}, pbxsync.Source{Name: "pushed", Source: pbx.Source{Type: pbx.Pushed}})
	write := func(action string, edit func(fleet.Edit) error) (fleet.Change, error) {
		return r.Write(fleet.Write{Actor: "token:pbx", Action: action}, edit)
	}
	if _, err := s.Push(t.Context(), "main", twenty(), pbxsync.Options{}, write); !errors.Is(err, pbxsync.ErrRead) {
		t.Errorf("push to a source that is read: %v", err)
	}
	got, err := s.Push(t.Context(), "pushed", twenty(), pbxsync.Options{}, write)
	must(t, err)
	if got.Added != 20 {
		t.Errorf("%s", got)
	}
}

// TestMemoryOfASyncIsGranted: for each account, until it has ended.
func TestMemoryOfASyncIsGranted(t *testing.T) {
	r := &provisiontest.Records{}
	var granted, inForce int64
	s := pbxsync.New(pbxsync.Config{Sources: func() []pbxsync.Source {
		return []pbxsync.Source{{Name: "pushed", Source: pbx.Source{Type: pbx.Pushed}}}
	}, Records: r, Packs: packs,
		Discovered: &discovered{}, Synced: func(string, bool) {}, Concerned: func(string, []dhcp.MAC) {}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Memory: func(bytes int64) func() {
			granted, inForce = granted+bytes, inForce+bytes
			return func() { inForce -= bytes }
		}})
	_, err := s.Push(t.Context(), "pushed", twenty(), pbxsync.Options{}, func(action string, edit func(fleet.Edit) error) (fleet.Change, error) {
		if inForce == 0 {
			t.Error("nothing is granted while records are written")
		}
		return r.Write(fleet.Write{Actor: "token:pbx", Action: action}, edit)
	})
	must(t, err)
	if granted != 20<<12 || inForce != 0 {
		t.Errorf("granted %d, %d are still in force", granted, inForce)
	}
}

// TestProblemThatRemainsIsLoggedOnce: not in every minute.
func TestProblemThatRemainsIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "sip.conf")
		must(t, os.WriteFile(path, []byte("[1001]\ntype=friend\nhost=dynamic\n"), 0o600))
		var log strings.Builder
		s := pbxsync.New(pbxsync.Config{
			Sources: func() []pbxsync.Source {
				return []pbxsync.Source{{Name: "main", Source: pbx.Source{Type: "asterisk-files", Files: []string{path}}, Interval: time.Minute}}
			},
			Records: &provisiontest.Records{}, Packs: packs, Discovered: &discovered{}, Synced: func(string, bool) {}, Concerned: func(string, []dhcp.MAC) {}, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute+time.Second)
		defer cancel()
		s.Run(ctx)
		if n := strings.Count(log.String(), "1 problems"); n != 1 {
			t.Errorf("%d lines: %s", n, log.String())
		}
	})
}

// TestAccountWithoutAPasswordLeavesTheOneThatIsThere: no phone is given an empty password, with any data of a PBX.
func TestAccountWithoutAPasswordLeavesTheOneThatIsThere(t *testing.T) {
	r := &provisiontest.Records{}
	_, err := sync(t, r, twenty(), pbxsync.Options{})
	must(t, err)
	s := twenty()
	s.Extensions[0].Password = ""
	s.Extensions = append(s.Extensions, account(21, ""))
	got, err := sync(t, r, s, pbxsync.Options{})
	if !errors.Is(err, pbxsync.ErrUnchanged) || got.Same != 19 || len(got.Problems) != 2 || !strings.Contains(got.Problems[0].String(), "has no password") {
		t.Errorf("%v, %s, %v", err, got, got.Problems)
	}
	if x := extension(t, r, "1001", domain); x.Password.Reveal() != "s3cret" || x.Gone {
		t.Errorf("%+v", x)
	}
}

// TestReadAndPushTreatALostPasswordAlike: the account is a problem, and the extension is neither changed nor gone, whether plugtone reads the PBX or the
// PBX pushes the same snapshot as JSON.
func TestReadAndPushTreatALostPasswordAlike(t *testing.T) {
	const endpoint = "[1001]\ntype=endpoint\nauth=1001\n[1001]\ntype=auth\nusername=1001\n"
	path := filepath.Join(t.TempDir(), "pjsip.conf")
	for _, lost := range []string{endpoint, endpoint + "auth_type=md5\nmd5_cred=d41d8cd98f00b204e9800998ecf8427e\n", strings.Replace(endpoint, "auth=1001", "auth=other", 1)} {
		var results []string
		for _, pushed := range []bool{false, true} {
			r := &provisiontest.Records{}
			write := func(action string, edit func(fleet.Edit) error) (fleet.Change, error) {
				return r.Write(fleet.Write{Actor: "pbx:main", Action: action}, edit)
			}
			must(t, r.Edit("root", "add", func(e fleet.Edit) error {
				return e.PutRegistrar(&fleet.Registrar{Name: "main", Host: domain, Port: 5060, Transport: "udp"})
			}))
			src := pbx.Source{Type: "asterisk-files", Files: []string{path}}
			s := newSources(r, pbxsync.Source{Name: "main", Source: src})
			if pushed {
				s = newSources(r, pbxsync.Source{Name: "main", Source: pbx.Source{Type: pbx.Pushed}})
			}
			sync := func(conf string) pbxsync.SyncResult {
				must(t, os.WriteFile(path, []byte(conf), 0o600))
				if !pushed {
					out, err := s.Sync(t.Context(), "main", pbxsync.Options{}, write)
					must(t, err)
					return out
				}
				snapshot, err := src.Read(t.Context())
				must(t, err)
				b, err := json.Marshal(snapshot)
				must(t, err)
				var sent pbx.Snapshot
				must(t, json.Unmarshal(b, &sent))
				out, err := s.Push(t.Context(), "main", sent, pbxsync.Options{}, write)
				must(t, err)
				return out
			}
			sync(endpoint + "password=s3cret\n")
			got := sync(lost)
			if x := extension(t, r, "1001", "main"); x.Gone || x.Password.Reveal() != "s3cret" || len(got.Problems) != 1 || got.Gone != 0 {
				t.Errorf("pushed %v: %s, %v, %+v", pushed, got, got.Problems, x)
			}
			results = append(results, fmt.Sprint(got, got.Problems))
		}
		if results[0] != results[1] {
			t.Errorf("read: %s\npush: %s", results[0], results[1])
		}
	}
}

// discovered is a list of phones without a record.
type discovered []dhcp.MAC

func (d *discovered) DiscoveredPhones() (out []fleet.Discovered, err error) {
	for _, mac := range *d {
		out = append(out, fleet.Discovered{MAC: mac})
	}
	return out, nil
}

func (d *discovered) ForgetPhone(mac dhcp.MAC) error {
	*d = slices.DeleteFunc(*d, func(m dhcp.MAC) bool { return m == mac })
	return nil
}

// TestPhonesThatBecameRecordsAreNoLongerListed as phones without one.
func TestPhonesThatBecameRecordsAreNoLongerListed(t *testing.T) {
	r, list := &provisiontest.Records{}, discovered{mac(3), mac(99)}
	set := provisiontest.Packs(t)
	var concerned []dhcp.MAC
	s := pbxsync.New(pbxsync.Config{
		Sources: func() []pbxsync.Source {
			return []pbxsync.Source{{Name: "main", Source: pbx.Source{Type: pbx.Pushed, Take: everything}, Resync: true}}
		},
		Records: r, Packs: func() *pack.Set { return set }, Discovered: &list, Synced: func(string, bool) {}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Changed:   func(context.Context, uint64) ([]dhcp.MAC, error) { return nil, nil },
		Concerned: func(_ string, phones []dhcp.MAC) { concerned = append(concerned, phones...) },
	})
	write := func(action string, edit func(fleet.Edit) error) (fleet.Change, error) {
		return r.Write(fleet.Write{Actor: "token:pbx", Action: action}, edit)
	}
	if _, err := s.Push(t.Context(), "main", office(), pbxsync.Options{}, write); err != nil || !slices.Equal(list, discovered{mac(99)}) || len(concerned) != 20 {
		t.Errorf("%v, left are %v, to be notified %v", err, list, concerned)
	}
	// A push without devices, as of an older program, leaves them.
	got, err := s.Push(t.Context(), "main", twenty(), pbxsync.Options{}, write)
	must(t, err)
	if d := device(t, r, 3); d.Gone || got.Devices != nil || len(got.Problems) != 2 || !strings.Contains(got.Problems[0].String(), "add --take devices to its pbx push") || len(concerned) != 20 {
		t.Errorf("%s, %v, %+v", got, got.Problems, d)
	}
}

// TestSyncNotifiesAllPhonesWhoseFilesItChanges: the phone of a renamed extension once, and one that only shows its name; also when the client of
// the push hangs up meanwhile. When the others can't be found, it notifies those of its own.
func TestSyncNotifiesAllPhonesWhoseFilesItChanges(t *testing.T) {
	r, set := &provisiontest.Records{}, provisiontest.Packs(t)
	own, shows := mac(3), mac(99)
	var concerned []dhcp.MAC
	var broken error
	hangUp := func() {}
	s := pbxsync.New(pbxsync.Config{
		Sources: func() []pbxsync.Source {
			return []pbxsync.Source{{Name: "main", Source: pbx.Source{Type: pbx.Pushed, Take: everything}, Resync: true}}
		},
		Records: r, Packs: func() *pack.Set { return set }, Discovered: &discovered{}, Synced: func(string, bool) {}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Changed: func(ctx context.Context, change uint64) ([]dhcp.MAC, error) {
			if hangUp(); ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if change != r.Revision() {
				t.Errorf("change %d, the records have revision %d", change, r.Revision())
			}
			return []dhcp.MAC{own, shows}, broken
		},
		Concerned: func(_ string, phones []dhcp.MAC) { concerned = phones },
	})
	push := func(name string) {
		t.Helper()
		concerned = nil
		snapshot := office()
		snapshot.Extensions[2].DisplayName = name
		ctx, cancel := context.WithCancel(t.Context())
		hangUp = cancel
		_, err := s.Push(ctx, "main", snapshot, pbxsync.Options{}, func(action string, edit func(fleet.Edit) error) (fleet.Change, error) {
			return r.Write(fleet.Write{Actor: "token:pbx", Action: action}, edit)
		})
		must(t, err)
	}
	push("Desk 3")
	if push("Attic"); !slices.Equal(concerned, []dhcp.MAC{own, shows}) {
		t.Errorf("notified are %v", concerned)
	}
	if push("Attic"); concerned != nil {
		t.Errorf("notified after a sync without changes are %v", concerned)
	}
	broken = errors.New("broken")
	if push("Cellar"); !slices.Contains(concerned, own) {
		t.Errorf("notified are %v", concerned)
	}
}
