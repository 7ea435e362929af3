package main

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"plugtone/dhcp/netlab"
)

// TestTwoBoxRecipe runs the blocks of docs/cluster.md that name hosts ("sh one two"), and writes its files ("yaml one:/etc/plugtone/plugtone.yaml"),
// on three hosts with a process and mount namespace each: two boxes and a third server of etcd. Phones boot in between.
func TestTwoBoxRecipe(t *testing.T) {
	t.Parallel()
	r := newRecipe(t)
	r.existing()
	checks := map[string]func(){
		"### 2. The first box":    func() { r.shows("one", "plugtone cluster status", "follow", "one +yes"); r.boots("one") },
		"### 3. The second box":   r.bothServe,
		"### 4. Pull the plug":    r.secondServes,
		"### 5. Plug it in again": func() { r.shows("one", "plugtone cluster status", "follow", "one +yes", "two +yes") },
		"## Backup and restore":   r.restored,
		"## Loss of etcd's data":  r.knownServed,
	}
	heading, ran := "", map[string]bool{}
	for part := range strings.SplitSeq("\n"+readRoot(t, "docs/cluster.md"), "\n##") {
		heading, _, _ = strings.Cut("##"+part, "\n")
		began := time.Now()
		for _, b := range blocks(part) {
			r.block(b)
		}
		if check := checks[heading]; check != nil {
			check()
			ran[heading] = true
			t.Logf("%s: %s", heading, time.Since(began).Round(100*time.Millisecond))
		}
	}
	if len(ran) != len(checks) {
		t.Errorf("docs/cluster.md has only the headings %v", ran)
	}
}

// recipe is the hosts of a recipe.
type recipe struct {
	*clusterLab
	boxes map[string]*recipeBox
	tools string
}

// recipeBox is a host with files and processes of its own.
type recipeBox struct {
	name   string
	dir    string // its files
	ns     *netlab.Namespace
	holder *exec.Cmd // its first process; nil: it is off
}

func newRecipe(t *testing.T) *recipe {
	netlab.RequirePrograms(t, "openssl")
	r := &recipe{clusterLab: bareLab(t, labConfig{}), boxes: map[string]*recipeBox{}}
	r.tools = filepath.Join(r.dir, "tools")
	r.check(os.Mkdir(r.tools, 0o755))
	r.check(os.Symlink(r.program, filepath.Join(r.tools, "plugtone")))
	for name, script := range recipeTools {
		r.check(os.WriteFile(filepath.Join(r.tools, name), []byte(script), 0o755))
	}
	for i, name := range []string{"one", "two", "three"} {
		b := &recipeBox{name: name, dir: filepath.Join(r.dir, fmt.Sprintf("10.0.0.%d", i+1))}
		var err error
		b.ns, err = r.lab.Namespace(name)
		r.check(err)
		r.check(r.mgmt.Attach(netlab.Port{Namespace: b.ns, Name: "mgmt0", Addrs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", i+1))}}))
		if name != "three" {
			r.check(r.voice.Attach(netlab.Port{Namespace: b.ns, Name: "voice0", Addrs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.20.0.%d/22", i+2))}}))
		}
		for _, d := range []string{"etc/plugtone", "etc/default", "var/lib/plugtone", "var/lib/etcd", "root"} {
			r.check(os.MkdirAll(filepath.Join(b.dir, d), 0o700))
		}
		r.boxes[name] = b
		r.powerOn(b)
	}
	t.Cleanup(func() {
		for _, b := range r.boxes {
			for _, log := range []string{"plugtone", "etcd"} {
				if text, _ := os.ReadFile(filepath.Join(b.dir, "var/lib", log+".log")); t.Failed() {
					t.Logf("%s of %s:\n%s", log, b.name, text)
				}
			}
			r.powerOff(b)
		}
	})
	return r
}

// recipeTools are programs that need another host or systemd.
var recipeTools = map[string]string{
	"chown": "#!/bin/sh\n", // the users come with the packages
	"scp": `#!/bin/sh -e
[ "$1" = -r ] && shift
case $2 in root@*:/*) ;; *) echo "scp: $2" >&2; exit 1 ;; esac
host=${2%%:*}
cp -r "$1" "$BOXES/${host#root@}${2#*:}"
`,
	"poweroff": "#!/bin/sh\nkill -KILL -1\n",
	"systemctl": `#!/bin/sh -e
action=$1
shift
[ "$1" = --no-block ] && shift
for unit; do
	pidfile=/run/$unit.pid
	case $action in
	stop)
		[ -f $pidfile ] || continue
		kill $(cat $pidfile)
		while readlink /proc/$(cat $pidfile)/exe >/dev/null; do sleep 0.1; done
		rm $pidfile
		;;
	start)
		if [ $unit = etcd ]; then
			set -a
			ETCD_DATA_DIR=/var/lib/etcd/default
			[ ! -f /etc/default/etcd ] || . /etc/default/etcd
			setsid etcd --log-level error --unsafe-no-fsync >>/var/lib/etcd.log 2>&1 &
			echo $! >$pidfile
			continue
		fi
		plugtone check >/dev/null
		setsid plugtone serve >>/var/lib/plugtone.log 2>&1 &
		echo $! >$pidfile
		for try in $(seq 1500); do
			plugtone status >/dev/null 2>&1 && continue 2
			readlink /proc/$!/exe >/dev/null || break
			sleep 0.2
		done
		echo "plugtone does not start" >&2
		exit 1
		;;
	esac
done
`,
}

// firstProcess gives a host its own /etc, /root, /run and /var/lib.
const firstProcess = `
hostname $0
mkdir -p $1/host-etc
mount --rbind /etc $1/host-etc
for f in $1/host-etc/*; do [ -e $1/etc/${f##*/} ] || ln -sfn $f $1/etc/${f##*/}; done
for d in etc root var/lib; do mount --bind $1/$d /$d; done
mount -t tmpfs run /run
mkdir /run/plugtone
echo ready
while :; do sleep 1; done
`

// powerOn starts a host, with what it has.
func (r *recipe) powerOn(b *recipeBox) {
	r.t.Helper()
	b.holder = b.ns.Command(context.Background(), "unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child", "--", "sh", "-ec", firstProcess, b.name, b.dir)
	out, err := b.holder.StdoutPipe()
	r.check(err)
	b.holder.Stderr = os.Stderr
	r.check(b.holder.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		netlab.Missing(r.t, fmt.Errorf("no namespaces with files of their own: %w", err))
	}
	r.mustRun(b, "systemctl start --no-block etcd")
	if _, err := os.Stat(filepath.Join(b.dir, "etc/plugtone/plugtone.yaml")); err == nil {
		r.mustRun(b, "systemctl start plugtone")
	}
}

// powerOff ends all processes of a host.
func (r *recipe) powerOff(b *recipeBox) {
	if b.holder != nil {
		_ = b.holder.Process.Kill()
		_ = b.holder.Wait()
		b.holder = nil
	}
}

// run runs a script on a host.
func (r *recipe) run(b *recipeBox, script string) (string, error) {
	ns := func(kind, name string) string {
		return fmt.Sprintf("--%s=/proc/%d/ns/%s", kind, b.holder.Process.Pid, name)
	}
	cmd := b.ns.Command(r.t.Context(), "nsenter", ns("mount", "mnt"), ns("uts", "uts"), ns("pid", "pid_for_children"), "--", "sh", "-ec", script)
	cmd.Env = append(os.Environ(), "BOXES="+r.dir, "PATH="+r.tools+":"+os.Getenv("PATH"), "HOME=/root", "ETCD_UNSUPPORTED_ARCH=arm64")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *recipe) mustRun(b *recipeBox, script string) string {
	r.t.Helper()
	out, err := r.run(b, script)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s\n%s", b.name, err, script, out)
	}
	return out
}

// onlyReads are scripts that a reader repeats until they show what he waits for.
var onlyReads = regexp.MustCompile(`^((plugtone [a-z ]*(status|show)\b|etcdctl endpoint|\. )[^\n]*\n?)+$`)

// block does what a block of the document says.
func (r *recipe) block(b block) {
	r.t.Helper()
	words := strings.Fields(b.info)
	if len(words) < 2 {
		return
	}
	text := strings.Join(b.lines, "\n")
	if line, rest, ok := strings.Cut(text, "\n"); ok && strings.HasPrefix(line, "# on ") { // which host, for readers
		text = rest
	}
	if name, path, ok := strings.Cut(words[1], ":"); ok {
		r.check(os.WriteFile(filepath.Join(r.boxes[name].dir, path), []byte(text), 0o600))
		return
	}
	for _, name := range words[1:] {
		box := r.boxes[name]
		if box == nil {
			r.t.Fatalf("docs/cluster.md: a block for the host %q: %s", name, text)
		}
		if box.holder == nil {
			r.powerOn(box)
		}
		switch {
		case text == "poweroff -f":
			_, _ = r.run(box, text) // it ends, too
			r.powerOff(box)
		case onlyReads.MatchString(text):
			r.eventually(name+" runs "+text, func() bool { _, err := r.run(box, text); return err == nil })
		default:
			r.eventually(name+" runs "+text, func() bool { return r.accepted(box, text) })
		}
	}
	if strings.HasPrefix(text, "plugtone backup") {
		r.mustRun(r.boxes["two"], "plugtone device add 00:15:65:00:00:99 --model yealink/T46U --label mistake")
	}
}

// accepted runs a script that must succeed, and reports whether it did: records can't be changed while etcd has no leader, and a reader tries again.
func (r *recipe) accepted(b *recipeBox, script string) bool {
	r.t.Helper()
	out, err := r.run(b, script)
	if err != nil && !strings.Contains(out, "records can't be changed now: etcd does not answer") {
		r.t.Fatalf("%s: %v\n%s\n%s", b.name, err, script, out)
	}
	return err == nil
}

// shows waits until a command on a host prints what is wanted.
func (r *recipe) shows(name, command string, want ...string) {
	r.t.Helper()
	var out string
	defer func() { r.t.Logf("%s on %s:\n%s", command, name, out) }()
	r.eventually(fmt.Sprintf("%s shows %q on %s", command, want, name), func() bool {
		out, _ = r.run(r.boxes[name], command)
		return !slices.ContainsFunc(want, func(w string) bool { return !regexp.MustCompile(w).MatchString(out) })
	})
}

// existing makes the boxes single appliances, as they are before the recipe. The second one has served no phones yet.
func (r *recipe) existing() {
	for name, dhcp := range map[string]string{"one": "subnets: [{subnet: 10.20.0.0/22, interface: voice0, pools: [10.20.1.0-10.20.3.250], routers: [10.20.0.1]}]", "two": `mode: "off"`} {
		b := r.boxes[name]
		r.check(os.WriteFile(filepath.Join(b.dir, "etc/plugtone/plugtone.yaml"), []byte("dhcp: {"+dhcp+"}\n"), 0o600))
		r.mustRun(b, "systemctl start plugtone; plugtone registrar set main --host pbx-"+name+".example.com")
	}
	r.mustRun(r.boxes["one"], "plugtone extension set 1001 --password geheim-1001")
	r.mustRun(r.boxes["one"], "plugtone device add 00:15:65:00:00:01 --model yealink/T46U --label front --line 1001")
}

// boots boots a new phone, which gets an address within a minute, and returns its lease.
func (r *recipe) boots(from ...string) phoneEvent {
	r.t.Helper()
	p := r.phone(len(r.phones) + 1)
	p.boot(8)
	e := p.bound()
	if servers := map[string]string{"10.20.0.2": "one", "10.20.0.3": "two"}; !slices.Contains(from, servers[e.server]) {
		r.t.Errorf("%s has a lease from %s, want one of %v", p.name, e.server, from)
	}
	return e
}

// fetch fetches the file of the first phone from a server.
func (r *recipe) fetch(server string) {
	r.t.Helper()
	out, err := r.phones["phone1"].ns.Command(r.t.Context(), "curl", "-sSf", "-m", "20", "-A", "Yealink SIP-T46U 108.86.0.90 00:15:65:00:00:01", fmt.Sprintf("http://%s/001565000001.cfg", server)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "geheim-1001") {
		r.t.Errorf("phone1 fetches its file from %s: %v\n%s", server, err, out)
	}
}

// bothServe checks that both members serve phones and have the same records.
func (r *recipe) bothServe() {
	r.t.Helper()
	r.knownServed()
	r.boots("one", "two")
}

// knownServed checks that both members have the same records and serve the phones that have a lease.
func (r *recipe) knownServed() {
	r.t.Helper()
	for _, name := range []string{"one", "two"} {
		r.shows(name, "plugtone cluster status", "follow", "one +yes", "two +yes")
		r.shows(name, "plugtone device list", "front")
		r.shows(name, "plugtone status | grep -c 'etcd has not been reachable' || true", "^0")
	}
	for _, p := range r.phones {
		p.extended(p.last.ip, allServers)
	}
	for _, server := range []string{"10.20.0.2", "10.20.0.3"} {
		r.fetch(server)
		for _, name := range []string{"one", "two"} { // also the one that would answer with its own address
			r.shows(name, "plugtone device show 00:15:65:00:00:01", "state +in_sync")
		}
	}
}

// secondServes checks that the second box serves phones alone.
func (r *recipe) secondServes() {
	r.t.Helper()
	began := time.Now()
	r.boots("two")
	r.t.Logf("a phone has its lease %s after the last command", time.Since(began).Round(time.Millisecond))
	p := r.phones["phone1"]
	p.extended(p.last.ip, allServers)
	r.fetch("10.20.0.3")
}

// restored checks that the records are those of the backup, on both.
func (r *recipe) restored() {
	r.t.Helper()
	for _, name := range []string{"one", "two"} {
		if out := r.mustRun(r.boxes[name], "plugtone device list"); strings.Contains(out, "mistake") {
			r.t.Errorf("%s still has what was made after the backup:\n%s", name, out)
		}
	}
	r.bothServe()
}
