package main

import "slices"

// commandLineCase is a command line with what it must print. out and errs are patterns: "" requires no output, "." any.
type commandLineCase struct {
	line      string
	status    int
	out, errs string
}

// commandLineCases are run in this order. profile is the path of a profile's file.
func commandLineCases(profile string) []commandLineCase {
	return slices.Concat(recordCases(profile), oneStepCases(), mistakeCases(), lookCases(profile), importCases())
}

func recordCases(profile string) []commandLineCase {
	return []commandLineCase{
		{"registrar list", 0, `(?m)^NAME +HOST +PORT .*\nmain +pbx.example.com +5060 +udp +- +- +1h$`, ""},
		{"registrar set main --transport tls --port 0 --register-expires 30m", 0, `registrar main changed: pbx.example.com:5061 tls`, ""},
		{"registrar show main", 0, `(?m)^register expires +30m$`, ""},
		{"registrar set x", 1, "", `host: is needed`},
		{"registrar set 'a b' --host h", 1, "", `name "a b": allowed are letters`},
		{"registrar show nope", 1, "", `(?s)registrar nope: not found\nhint: plugtone registrar list shows`},
		{"registrar rm main", 1, "", `(?s)registrar main is in use by extension 1001, extension 1002.*hint: --force`},
		{"registrar", 0, `Available Commands`, ""},
		{"registrar lst", 2, "", `has no command "lst"; near: list`},
		{"registrar set", 2, "", `(?s)NAME is missing, usage: plugtone registrar set NAME \[flags\].*hint: plugtone registrar set --help`},
		{"registrar set main --prot 5", 2, "", `unknown flag: --prot; near: --port`},
		{"registrar set main --port x", 2, "", `--port "x" is no whole number`},
		{"registrar set main x", 2, "", `"x" is too much, usage: plugtone registrar set NAME`},
		{"registrar list x", 2, "", `"x" is too much, usage: plugtone registrar list`},
		{"registrar --help", 0, `Usage:\n  plugtone registrar \[command\]\n\n`, ""},
		{"registrar list --admin ftp://x", 2, "", `must be unix:PATH, HOST:PORT or https://HOST:PORT`},
		{"nonsense --help", 2, "", `plugtone has no command "nonsense"`},
		{"device nonsense -h", 2, "", `plugtone device has no command "nonsense"`},
		{"device --help", 0, `Available Commands`, ""},
		{"device list --help", 0, `plugtone device list`, ""},
		{"help --help", 0, `Help provides help`, ""},
		{"completion --help", 0, `autocompletion`, ""},
		{"completion bash --help", 0, `autocompletion`, ""},
		{"nonsense", 2, "", `plugtone has no command "nonsense"`},
		{"extension list --search desk", 0, `(?m)^NUMBER .*\n1001 +main +Front Desk +1001 +-$`, ""},
		{"extension show 1001", 0, `display name +Front Desk`, ""},
		{"extension show 1001 --reveal", 0, `password +s3cret`, ""},
		{"extension set 1003", 0, `extension 1003@main created`, `has no password yet`},
		{"extension set 1003 --password a --password-file b", 2, "", `both give a password`},
		{"extension set 1003 --registrar nope", 1, "", `registrar "nope": no such registrar`},
		{"extension set 1003@main --registrar other", 2, "", `contradict`},
		{"extension rm 1003", 0, `extension 1003 removed`, ""},
		{"extension rm 1001", 1, "", `in use by device ` + desk},
		{"device add 001565123456", 1, "", `(?s)exists already.*hint: plugtone device set`},
		{"device add", 2, "", `MAC is missing: .* show those that are known, usage: plugtone device add MAC`},
		{"device add 00:15:65:12:34", 2, "", `must be written like one of 001565123456, 00:15:65:12:34:56`},
		{"change undo 2", 1, "", `extension 1001@main is in use by device ` + desk + `\nhint: undo the changes first that put it there`},
		{"device add 0015.6500.0001 --model acme/A9", 1, "", `model "A9": is not a model of acme, `},
		{"device add 0015.6500.0001 --model A9", 1, "", `model "A9": is not known, nearest are acme/A`},
		{"device add 0015.6500.0001 --vendor acmee", 1, "", `vendor "acmee": is not known, nearest are acme`},
		{"device set " + desk + " --set acmee/x=1", 1, "", `vendor_settings.acmee "acmee": is not known`},
		{"device add 0015.6500.0001 --model acme/A1 --line 9999", 1, "", `lines\[0\].extension "9999": no such extension`},
		{"device add 0015.6500.0001 --model acme/A1 --key 2=blfx:1", 2, "", `blfx`},
		{"device add 0015.6500.0001 --model acme/A1 --key 2=blf:1,lable=Bob", 2, "", `"lable=" must be one of label= line= label_source= pickup_code= locked=; near: label`},
		{"device add 0015.6500.0001 --model acme/A1 --key 5=blf:1", 1, "", `keys\[0\]`},
		{"device add 0015.6500.0001 --set time_zon=x", 2, "", `time_zone`},
		{"device add 0015.6500.0001 --line 1002", 0, `device 00:15:65:00:00:01 created \(acme\)`, `took vendor acme: `},
		{"device add 02:00:00:00:00:77 --label Printer --reserve-ip 10.20.0.60", 0, `device 02:00:00:00:00:77 created\n`, `nothing is known`},
		{"device set " + desk, 2, "", `nothing to change`},
		{"device set 00-15-65-12-34-56 --key 3=park:701 --key 2= --set language=de --set acme/sip.x=1", 0, `changed \(acme/A4\)`, ""},
		{"device show " + desk, 0, `(?s)device +` + desk + `\nlabel +Front Desk Phone\nmodel +acme/A4\nstate +never_fetched\naddress +10.20.1.7.*line 1 +1001@main\nkey 3 +park:701\nsettings +language = de\nacme +sip.x = 1\n`, ""},
		{"device set " + desk + " --set language= --set acme/sip.x= --label '' --line 1002 --line 1001", 0, `.`, ""},
		{"device list --vendor acme", 0, `(?m)^MAC .*\n00:15:65:00:00:01 +acme +- +1002 +never_seen +- *\n` + desk + ` +acme +A4 +1002,1001 +never_fetched +10.20.1.7$`, ""},
		{"device list --vendor acmee", 1, "", `vendor "acmee": is not known, nearest are acme`},
		{"device list --state in_sync", 0, `^MAC[^\n]*\n$`, ""},
		{"device list --state odd", 2, "", `--state "odd": must be one of never_seen, never_fetched`},
	}
}

// oneStepCases leave the records as they were.
func oneStepCases() []commandLineCase {
	return []commandLineCase{
		{"device copy " + desk + " 0015.6500.0021 --line 1002 --label Kitchen", 0, `^device 00:15:65:00:00:21 created like ` + desk + ` \(acme/A4\)\n$`, ""},
		{"device copy " + desk + " 0015.6500.0021", 1, "", `device 00:15:65:00:00:21 exists already`},
		{"device swap " + desk + " 0015.6500.0021", 0, `^devices ` + desk + ` and 00:15:65:00:00:21 swapped`, ""},
		{"device swap " + desk + " 0015.6500.0021 --message back", 0, `swapped`, ""},
		{"device swap " + desk, 2, "", `the second MAC is missing: the address of the other phone`},
		{"device swap " + desk + " xyz", 2, "", `must be written like one of`},
		{"device keys fill 001565000021 --from 4 --blf 1001-1002", 0, `^keys of 1 device filled; that is change \d+\n$`, ""},
		{"device keys fill 001565000021 --from 4 --blf 1001,1002", 0, `^unchanged: no device that was named lacks a key for one of these extensions\n$`, ""},
		{"device keys fill 001565000021 --from 4 --blf 1002-1001", 1, "", `"1002-1001": a range begins with its lowest number: 1001-1002`},
		{"device keys fill 001565000021 --area lin --blf 1001", 1, "", `area "lin": is not a key area; near: line; allowed is line`},
		{"device keys fill 001565000021 --from 6 --blf 1001-1002", 1, "", `has 6 line keys: from 6 on there is room for 1 of 2`},
		{"device keys fill 001565000021", 2, "", `--blf is missing`},
		{"device keys fill 001565000021 --blf 1001 --sort odd", 2, "", `--sort "odd": must be one of number, label`},
		{"device replace 001565000021 001565000022 --model acme/A1", 1, "", `(?s)3 things would be lost.*key 4=blf:1001.*hint: --yes`},
		{"device replace 001565000021 001565000022 --model acme/A1 --dry-run --summary", 0, `(?s)2 records.*lost, because the model can't have it:\n.*  00:15:65:00:00:22: key 4=blf:1001`, ""},
		{"device replace 001565000021 001565000022 --model acme/A1 --yes", 0, `^device 00:15:65:00:00:21 replaced by 00:15:65:00:00:22 \(acme/A1\); 00:15:65:00:00:21 is disabled\n$`, `lost: 00:15:65:00:00:22: key 4=blf:1001`},
		{"device rm 001565000021", 0, `.`, ""},
		{"device rm 001565000022", 0, `.`, ""},
	}
}

func lookCases(profile string) []commandLineCase {
	return []commandLineCase{
		{"device set " + desk + " --key 45=", 0, `^device ` + desk + ` unchanged: it is so already\n$`, `^key 45: nothing to remove\n$`},
		{"device set " + desk + " --key 45= --label Desk", 0, `changed`, `key 45: nothing to remove`},
		{"device set " + desk + " --label Desk", 0, `unchanged`, ""},
		{"device set " + desk + " --label ''", 0, `changed`, ""},
		{"device disable " + desk, 0, `disabled`, ""},
		{"device show " + desk, 0, `state +disabled`, ""},
		{"device enable " + desk, 0, `enabled`, ""},
		{"device files " + desk, 0, `(?m)^NAME +KIND +OUTCOME .*\n001565123456.boot +none +expected +- +-`, ""},
		{"device files " + desk + " 001565123456.cfg", 0, `\*\*\*`, `secrets are masked`},
		{"device files " + desk + " 001565123456.cfg --reveal", 0, `s3cret`, ""},
		{"device files " + desk + " 001565123456.boot", 0, "", `001565123456.boot: .`},
		{"device files " + desk + " nosuchname", 1, "", `nosuchname`},
		{"device files " + desk + " --reveal", 2, "", `needs the NAME`},
		{"device diff " + desk, 0, `001565123456.cfg +never_fetched`, ""},
		{"device history " + desk, 0, `(?m)^\d+ +20.* +local:\S+ +change device`, ""},
		{"device rollback " + desk, 2, "", `--to REVISION is needed`},
		{"device rollback " + desk + " --to 99", 1, "", `no revision 99`},
		{"device rollback " + desk + " --to 4", 0, `as it was at revision 4`, ""},
		{"device show " + desk, 0, `key 2 +blf:1002,label=Bob`, ""},
		{"profile set reception", 2, "", `-f FILE is needed`},
		{"profile set reception -f " + profile, 0, `profile reception created`, ""},
		{"profile set reception -f /nowhere", 1, "", `/nowhere: no such file`},
		{"profile show reception", 0, `(?s)key 3 +park:701\nkey 4 +blf:1002\nsettings +language = de`, ""},
		{"profile list", 0, `reception +- +2 +1`, ""},
		{"profile rm reception", 0, `removed`, ""},
		{"discovered list", 0, `(?m)^MAC .*\n00:15:65:00:00:09 +acme +A1 +- .* recognised by option60 "acme A1"$`, ""},
		{"discovered adopt 00:15:65:00:00:09 --line 1002", 0, `device 00:15:65:00:00:09 created \(acme/A1\)`, ""},
		{"discovered list", 0, `^MAC[^\n]*\n$`, ""},
		{"discovered forget 00:15:65:00:00:09", 1, "", `(?s)not found\nhint: plugtone discovered list shows`},
		{"leases", 0, `(?m)^IP .*\n10.20.1.7 +` + desk + ` +active +yes +acme +.* phone\\x1b\[2J$`, ""},
		{"leases --subnet 10.30.0.0/24", 1, "", `subnet "10.30.0.0/24": is not a subnet of the configuration: 10.20.0.0/22`},
		{"leases --subnet x", 1, "", `subnet "x"`},
		{"trace " + desk, 0, `(?s)dhcp +request +acked +10.20.1.7 +options 1 subnet mask, 3 router, 51 ip addresses lease time; \(and 2 times more\)\n.*tftp +get +served +10.20.1.7 +001565123456.cfg; 812 bytes\n\ndiagnosis:\n  `, ""},
		{"trace 00:15:65:77:77:77", 0, `.`, `nothing was received from 00:15:65:77:77:77`},
		{"trace nonsense", 2, "", `MAC address "nonsense"`},
		{"trace", 2, "", `MAC is missing: the address of a phone; plugtone device list, discovered list and leases show those`},
		{"explain " + desk, 0, `(?s)phone +` + desk + `\nrecord +yes\nmodel +acme/A4\n.*lease +10.20.1.7 active`, ""},
		{"explain 001565123456.cfg --ip 10.20.1.99", 0, `answer +refused`, ""},
		{"explain 001565123456.cfg", 2, "", `--ip ADDR`},
		{"explain 001565123456.cfg --ip x", 1, "", `ip "x": is not an IPv4 address`},
		{"status", 0, `(?s)^version +test\nrunning +since 20.*ready +yes\n.*SUBNET +INTERFACE .*\n10.20.0.0/22 +voice0 +provision +763 +\d`, ""},
		{"status --json", 0, `(?s)"version": "test".*"subnets": \[.*"addresses": 763`, ""},
		{"device set 02:00:00:00:00:77 --reserve-ip 10.99.0.60", 0, `changed`, `no configured subnet contains 10.99.0.60`},
		{"vendor list", 0, `(?m)^VENDOR +NAME +MODELS +ALIASES\nacme +Acme Phones +2 +acmecorp$`, ""},
		{"vendor show acme", 0, `(?s)vendor +acme\n.*A4 +4 +line 6`, ""},
		{"vendor show acme/A1", 0, `(?s)^model +acme/A1\nlines +\d.*key types +line.*settings +\w`, ""},
		{"vendor show acme/a1 --json", 0, `"model": "A1"`, ""},
		{"vendor show acme/A9", 1, "", `acme has no model "A9"; near: A`},
		{"vendor show nope", 1, "", `nope`},
		{"token add ci --role root", 2, "", `must be one of admin, operator, viewer`},
		{"token add ci --role viewer", 0, `^plugtone_\S{43}\n$`, `shown this once`},
		{"token list", 0, `(?m)^ci +viewer +2026`, ""},
		{"token rm ci", 0, `revoked`, ""},
		{"backup -", 0, `^a whole backup$`, ""},
		{"device rm " + desk, 0, `removed`, ""},
		{"device show " + desk, 1, "", `not found`},
	}
}

// mistakeCases leave the records as they were.
func mistakeCases() []commandLineCase {
	return []commandLineCase{
		{"leases --state odd", 2, "", `--state "odd": must be one of active, released`},
		{"device set " + desk + " --key 2=blf:1002 --key line:2=park:701", 2, "", `--key names key 2 twice`},
		{"device set " + desk + " --reserve-ip 10.20.0.2", 1, "", `reserved_ip "10.20.0.2": is this server's own address`},
		{"device files " + desk + " --subnet 10.99.0.0/24", 1, "", `subnet "10.99.0.0/24": is not a subnet of the configuration: 10.20.0.0/22`},
		{"extension set 1001 --password ''", 2, "", `--password is empty`},
		{"device add 0015.6500.0031 --model bolt/B1", 0, `created \(bolt/B1\)`, `warning: the prefix of its MAC belongs to acme, but its record has bolt`},
		{"device show 0015.6500.0031", 0, `(?m)^problem +the prefix of its MAC belongs to acme`, ""},
		{"device rm 0015.6500.0031", 0, `.`, ""},
		{"device add 0015.6500.0032 --model acme/A4 --line 1002,shared=true --key 2=blf:1001,pickup_code=*8", 0, `created \(acme/A4\)`, `^warning: left out: key line:2: pickup_code: has no place in the files of Acme Phones\n$`},
		{"device set 0015.6500.0032 --label Hall", 0, `changed`, ""},
		{"device set 0015.6500.0032 --key 3=blf:1001,locked=true", 0, `changed`, `^warning: left out: key line:3: locked: has no place in the files of Acme Phones\n$`},
		{"device show 0015.6500.0032", 0, `(?s)left out +key line:2: pickup_code: .*left out +key line:3: locked: `, ""},
		{"device rm 0015.6500.0032", 0, `.`, ""},
		{"device rollback " + desk, 2, "", `.`},
		{"change show", 2, "", `ID is missing, usage: plugtone change show ID`},
		{"--version", 0, `^plugtone \S+ \(go1\.\S+, \w+/\w+\)\n$`, ""},
	}
}

// importCases import the leases of another server.
func importCases() []commandLineCase {
	return []commandLineCase{
		{"import leases testdata/dnsmasq.leases", 2, "", `--format is missing: one of isc, kea, dnsmasq`},
		{"import leases testdata/dnsmasq.leases --format windows", 2, "", `--format "windows": must be one of isc, kea, dnsmasq`},
		{"import leases testdata/dnsmasq.leases --format kea", 1, "", `(?s)testdata/dnsmasq.leases: nothing is imported:.*line 1: the header lacks the column address`},
		{"import leases /nowhere --format isc", 1, "", `/nowhere: no such file`},
		{"import leases testdata/dnsmasq.leases --format dnsmasq --dry-run", 0, `(?s)^IP .*10.20.1.20 +00:15:65:00:00:20 +never +imported\s.*10.30.1.20 .* outside +address is in no subnet.*1 imported, 0 same, 0 expired, 1 outside, 0 conflict; nothing was changed\n$`, `left out: 1 entries of IPv6 or without a MAC address`},
		{"import leases testdata/dnsmasq.conf --format dnsmasq --dry-run --summary", 0, `(?s)^IP .*10.20.0.77 +00:15:65:00:00:77 +desk-77 +new\s.*reservations: 1 new, 0 changed, 0 same, 1 outside, 0 conflict; nothing was changed\nimport 2 reservations: 1 record \(created\) would change\nno phone's files`, ``},
		{"import leases testdata/dnsmasq.conf --format isc", 0, "0 imported", `testdata/dnsmasq.conf has neither leases nor reservations of IPv4 in the format isc`},
	}
}
