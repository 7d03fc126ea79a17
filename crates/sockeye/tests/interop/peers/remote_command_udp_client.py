"""The tutorials' client of a remote command over UDP: one datagram there, one back."""
import socket, sys

client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(60)
server = ('127.0.0.1', int(sys.argv[1]))
for command in sys.argv[2:]:
    client.sendto(command.encode('utf-8'), server)
    answer, _ = client.recvfrom(65535)
    print(len(answer), answer[:60], answer[-60:], flush=True)
