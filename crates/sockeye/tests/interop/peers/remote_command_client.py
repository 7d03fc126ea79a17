"""The tutorials' client of a remote command over TCP: send a command, read its answer."""
import socket, sys

client = socket.socket()
client.settimeout(60)
client.connect(('127.0.0.1', int(sys.argv[1])))
for command in sys.argv[2:]:
    command, _, expected = command.partition('=>')
    client.send(command.encode('utf-8'))
    answer = b''
    while len(answer) < int(expected or 1):
        data = client.recv(1024)
        if not data:
            break
        answer += data
    print(len(answer), answer[:60], flush=True)
client.close()
