package recordlog

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"plugtone/dhcp"
	"plugtone/provision/fleet"
	"plugtone/store/dbfile"
	"plugtone/store/etcd/etcdtest"
)

// link is a connection to etcd that can be cut, or swallow answers.
type link struct {
	addr string

	mu    sync.Mutex
	mode  linkMode
	conns []net.Conn
}

type linkMode int

const (
	linkUp     linkMode = iota
	linkDown            // connections are closed
	linkOneWay          // requests arrive, answers do not
)

func newLink(t *testing.T, to string) *link {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	k := &link{addr: "http://" + l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			k.join(client, strings.TrimPrefix(to, "http://"))
		}
	}()
	return k
}

func (k *link) join(client net.Conn, to string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	server, err := net.Dial("tcp4", to)
	if err != nil || k.mode == linkDown {
		_ = client.Close()
		return
	}
	k.conns = append(k.conns, client, server)
	go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
	go func() {
		defer client.Close()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil {
				return
			}
			k.mu.Lock()
			swallow := k.mode == linkOneWay
			k.mu.Unlock()
			if swallow {
				return // TCP would bring a later answer only after this one
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
}

// set changes the mode. Connections of before are closed, unless they are to swallow answers.
func (k *link) set(mode linkMode) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mode = mode
	if mode == linkOneWay {
		return
	}
	for _, c := range k.conns {
		_ = c.Close()
	}
	k.conns = nil
}

// runs is how many random runs there are.
func runs(t *testing.T, normally int) int {
	if n, err := strconv.Atoi(os.Getenv("PLUGTONE_CLUSTER_RUNS")); err == nil {
		return n
	}
	if testing.Short() {
		return 1
	}
	return normally
}

func TestMembersEndEqualAfterRandomPartitions(t *testing.T) {
	t.Parallel()
	e := etcdtest.Start(t, 1)
	for run := range runs(t, 1) {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("run ", run), func(t *testing.T) {
			t.Logf("seed %d", seed)
			e.Ctl("del", "--prefix", "/")
			(&partitionRun{t: t, random: rand.New(rand.NewPCG(seed, 0)), outcomes: map[string]error{}}).run(e)
		})
	}
}

// partitionRun is one random run.
type partitionRun struct {
	t        *testing.T
	random   *rand.Rand
	members  []*member
	links    []*link
	mu       sync.Mutex
	outcomes map[string]error // of each write, by its message
}

func (r *partitionRun) run(e *etcdtest.Cluster) {
	for i, name := range []string{"a", "b", "c"} {
		l := newLink(r.t, e.Endpoints()[0])
		m := newMember(r.t, etcdtest.Client(r.t, l.addr), name)
		if i == 0 {
			must(r.t, m.put(1, "first"))
			must(r.t, Import(r.t.Context(), m.log, false, false))
		}
		r.members, r.links = append(r.members, m.follow()), append(r.links, l)
	}
	for step := range 12 {
		for i, l := range r.links {
			if r.random.IntN(3) == 0 {
				l.set(linkMode(r.random.IntN(3)))
			} else if r.random.IntN(12) == 0 {
				r.members[i].restart()
				r.members[i].start()
			}
		}
		var writers sync.WaitGroup
		for _, m := range r.members {
			device, message := r.random.IntN(5), fmt.Sprint(m.name, " ", step)
			writers.Go(func() { r.write(m, device, message) })
		}
		writers.Wait()
	}
	for _, l := range r.links {
		l.set(linkUp)
	}
	for _, m := range r.members {
		m.until("follows in the end", func() bool { return m.catchUp() == nil })
	}
	same(r.t, r.members...)
	r.check()
}

// write changes a device, and another one with it, in one edit.
func (r *partitionRun) write(m *member, device int, message string) {
	_, err := m.Write(fleet.Write{Actor: m.name, Action: "put", Message: message}, func(e fleet.Edit) error {
		return errors.Join(e.PutDevice(&fleet.Device{MAC: mac(1 + device), Label: message}), e.PutDevice(&fleet.Device{MAC: mac(2 + device), Label: message}))
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[message] = err
}

// check compares the history of the records with the outcomes: each confirmed change is in it once, and none that was refused.
func (r *partitionRun) check() {
	list, err := r.members[0].Changes(0, 1000)
	must(r.t, err)
	made := map[string]int{}
	for _, c := range list {
		made[c.Message]++
	}
	counts := map[string]int{}
	for message, err := range r.outcomes {
		n := made[message]
		switch {
		case err == nil && n != 1:
			r.t.Errorf("%s: confirmed, and made %d times", message, n)
		case errors.Is(err, dbfile.ErrOutcomeUnknown) && n > 1:
			r.t.Errorf("%s: made %d times", message, n)
		case err != nil && !errors.Is(err, dbfile.ErrOutcomeUnknown) && n > 0:
			r.t.Errorf("%s: refused with %v, and made", message, err)
		}
		kind := "refused"
		if err == nil {
			kind = "confirmed"
		} else if errors.Is(err, dbfile.ErrOutcomeUnknown) {
			kind = fmt.Sprintf("unknown, made %d times", n)
		}
		counts[kind]++
	}
	if counts["confirmed"] == 0 {
		r.t.Error("no change was confirmed")
	}
	r.t.Log(counts)
}

var zeroMAC dhcp.MAC
